"""What changed files mean for services with `develop.watch` rules. Pure.

    sync          into the containers, at the rule's target
    sync+restart  and restart them          sync+exec  and run a command in them
    restart       restart only              rebuild    a new image and new containers

A rule holds for the files below its path that match `include` (if there is any) and nothing in
`ignore` or the build context's .dockerignore. When one file asks for a rebuild, nothing else is
done to that service: the new image has it all.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from posixpath import join

from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.compose.attributes import Hook, WatchRule
from sampan.compose.model import Project
from sampan.errors import InvalidArgument
from sampan.lib.records import Record

SYNC, REBUILD, RESTART = "sync", "rebuild", "restart"
SYNC_RESTART, SYNC_EXEC = "sync+restart", "sync+exec"
SYNCS = frozenset({SYNC, SYNC_RESTART, SYNC_EXEC})
ACTIONS = SYNCS | {REBUILD, RESTART}
# what editors leave for a moment
EPHEMERAL = IgnoreRules(
    patterns=[
        "**/*~",
        "**/.*.swp",
        "**/.*.swx",
        "**/4913",
        "**/.#*",
        "**/#*#",
        "**/.goutputstream*",
    ]
)


class NoRules(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(
            "none of the selected services is configured for watch, see `develop.watch`"
        )


class BadAction(InvalidArgument):
    def __init__(self, service: str, action: str) -> None:
        super().__init__(f'service "{service}": unknown watch action "{action}"')


class NothingToBuild(InvalidArgument):
    def __init__(self, service: str) -> None:
        super().__init__(
            f'can\'t watch service "{service}" with action rebuild without a build context'
        )


class Rule(Record, frozen=True):
    """One rule of one service, with everything that is to be ignored."""

    service: str
    rule: WatchRule
    context: Path | None
    context_ignore: IgnoreRules

    @property
    def root(self) -> Path:
        return Path(self.rule.path)

    def ignored(self, path: Path) -> bool:
        relative = _relative(path, self.root)
        if relative is None:
            return True
        if relative != "." and (
            IgnoreRules(patterns=list(self.rule.ignore)).excluded(relative)
            or EPHEMERAL.excluded(relative)
        ):
            return True
        inside = _relative(path, self.context) if self.context else None
        return inside is not None and inside != "." and self.context_ignore.excluded(inside)

    def holds(self, path: Path) -> bool:
        if self.ignored(path):
            return False
        relative = _relative(path, self.root) or "."
        include = self.rule.include
        return not include or IgnoreRules(patterns=list(include)).excluded(relative)

    def target(self, path: Path) -> str:
        """Where the file belongs in a container."""
        relative = _relative(path, self.root)
        target = self.rule.target
        return target if relative in {None, "."} else join(target, str(relative))


def _relative(path: Path, root: Path) -> str | None:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return None


class Reaction:
    """What one service needs now: `sync` maps files here to paths in the containers."""

    def __init__(self) -> None:
        self.sync: dict[Path, str] = {}
        self.rebuild = False
        self.restart = False
        self.execs: list[Hook] = []


def rules_of(project: Project, ignore_texts: Mapping[str, str]) -> list[Rule]:
    """All rules; `ignore_texts` are .dockerignore files by service.

    Raises NoRules, BadAction, NothingToBuild.
    """
    found = []
    for service in project.services.values():
        for rule in service.develop.watch if service.develop else ():
            if rule.action not in ACTIONS:
                raise BadAction(service.name, rule.action)
            if rule.action == REBUILD and service.build is None:
                raise NothingToBuild(service.name)
            context = Path(service.build.context) if service.build else None
            ignore = IgnoreRules(ignore_texts.get(service.name, ""))
            found.append(Rule(service.name, rule, context, ignore))
    if not found:
        raise NoRules
    return found


def reactions(rules: Sequence[Rule], paths: Iterable[Path]) -> dict[str, Reaction]:
    """By service."""
    found: dict[str, Reaction] = {}
    for path in sorted(paths):
        for rule in rules:
            if rule.holds(path):
                _add(found.setdefault(rule.service, Reaction()), rule, path)
    return found


def _add(reaction: Reaction, rule: Rule, path: Path) -> None:
    action = rule.rule.action
    if action == REBUILD:
        reaction.rebuild = True
    if action in SYNCS:
        reaction.sync[path] = rule.target(path)
    if action in {RESTART, SYNC_RESTART}:
        reaction.restart = True
    if action == SYNC_EXEC and rule.rule.exec not in reaction.execs:
        reaction.execs.append(rule.rule.exec)
