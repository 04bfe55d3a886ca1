"""`watch`: what changes here goes into the containers, or makes them new."""

from __future__ import annotations

import os
from pathlib import Path

from sampan.cli.commands.compose.converging import (
    SHARED_FLAGS,
    convergence,
    wanted,
    warn_of,
)
from sampan.cli.commands.compose.display import Quiet
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag, Flags
from sampan.client.api import filters_text
from sampan.compose.hooks import run_hooks
from sampan.compose.labels import PROJECT
from sampan.compose.lifecycle import Lifecycle
from sampan.compose.observe import list_containers
from sampan.compose.plan import Recreate
from sampan.compose.plan_images import ImageChoice
from sampan.compose.watching import SYNCS, reactions, rules_of
from sampan.errors import SampanError
from sampan.lib.records import replace
from sampan.linux.treewatch import TreeWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.compose.model import Project
    from sampan.compose.observe import ObservedContainer
    from sampan.compose.watching import Reaction, Rule

QUIET_S = 0.3  # changes come in bursts: one reaction a burst
REMOVE = ("rm", "-rf", "--")


class CantWatch(SampanError):
    def __init__(self, error: OSError) -> None:
        super().__init__(f"watch {error.filename}: {error.strerror}")


def ignore_texts(project: Project) -> dict[str, str]:
    """Each service's .dockerignore."""
    found = {}
    for service in project.services.values():
        if service.build is None:
            continue
        path = Path(service.build.context) / ".dockerignore"
        if path.is_file():
            found[service.name] = path.read_text(encoding="utf-8", errors="surrogateescape")
    return found


class Watcher:
    """Reacts to changes until interrupted."""

    def __init__(
        self, context: ComposeContext, project: Project, *, quiet: bool = False, prune: bool = True
    ) -> None:
        self._context = context
        self._project = project
        self._quiet = quiet
        self._prune = prune
        self._rules = rules_of(project, ignore_texts(project))

    def run(self) -> None:
        """Raises CantWatch."""
        roots = list(dict.fromkeys(rule.root for rule in self._rules))
        try:
            with TreeWatch(roots, self._skip) as tree:
                self._say("Watch enabled")
                self._sync_at_first()
                while True:
                    changed = tree.read(None)
                    while more := tree.read(QUIET_S):
                        changed |= more
                    self._react(reactions(self._rules, changed))
        except OSError as error:
            raise CantWatch(error) from error

    def _skip(self, path: Path) -> bool:
        return all(rule.ignored(path) for rule in self._rules)

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._context.say(text)

    def _sync_at_first(self) -> None:
        for rule in self._rules:
            if rule.rule.initial_sync and rule.rule.action in SYNCS:
                files = {path: rule.target(path) for path in _files(rule)}
                self._sync(rule.service, self._containers(rule.service), files)

    def _containers(self, service: str) -> list[ObservedContainer]:
        found = list_containers(self._context.api, self._project.name, all_states=False)
        return [container for container in found if container.service == service]

    def _react(self, found: Mapping[str, Reaction]) -> None:
        """A failure is told; watching goes on."""
        for service, reaction in found.items():
            try:
                self._react_for(service, reaction)
            except SampanError as error:
                self._context.err(f"{error.message}\n")

    def _react_for(self, service: str, reaction: Reaction) -> None:
        if reaction.rebuild:
            self._say(f'Rebuilding service(s) ["{service}"] after changes were detected...')
            self._rebuild(service)
            self._say(f'service(s) ["{service}"] successfully built')
            return
        containers = self._containers(service)
        if reaction.sync:
            count = len(reaction.sync)
            self._say(f'Syncing service "{service}" after {count} changes were detected')
            self._sync(service, containers, reaction.sync)
        for container in containers:
            run_hooks(self._context.api, service, container.id, reaction.execs)
        if reaction.restart:
            verbs = Lifecycle(self._context.api, Quiet(), self._project)
            for container in containers:
                verbs.restart(container)
            self._say(f'service(s) ["{service}"] restarted')

    def _sync(
        self, service: str, containers: list[ObservedContainer], files: Mapping[Path, str]
    ) -> None:
        there = {path: target for path, target in files.items() if os.path.lexists(path)}
        gone = [target for path, target in files.items() if path not in there]
        archive = b"".join(_packed(there)) if there else b""
        for container in containers:
            if gone:
                body = {"Cmd": [*REMOVE, *gone], "AttachStdout": True, "AttachStderr": True}
                self._context.api.exec(container.id, body)
            if archive:
                self._context.api.put_archive(container.id, "/", archive)

    def _rebuild(self, service: str) -> None:
        choices = wanted(self._context, Flags(SHARED_FLAGS), [service])
        choices = replace(
            choices,
            images=ImageChoice(build=True),
            plan=replace(choices.plan, recreate=Recreate.DIVERGED),
        )
        project = self._context.project([service], needed=False)
        with self._context.display("Rebuilding") as display:
            converging = convergence(self._context, project, display, choices)
            observed, plan = converging.plan()
            converging.applying(observed).run(plan)
        if self._prune:
            self._remove_dangling()

    def _remove_dangling(self) -> None:
        """Images of the project that a newer build took the name of; those in use stay."""
        filters = {"dangling": ["true"], "label": [f"{PROJECT}={self._project.name}"]}
        self._context.cli.client.post("/images/prune", [("filters", filters_text(filters))])


def _files(rule: Rule) -> list[Path]:
    root = rule.root
    if not root.is_dir():
        return [root] if root.exists() else []
    return [path for path in sorted(root.rglob("*")) if rule.holds(path) and not path.is_dir()]


def _packed(files: Mapping[Path, str]) -> Iterator[bytes]:
    from sampan.cli.tarring import END, Packer

    packer = Packer(owner=(0, 0))
    for path, target in sorted(files.items()):
        name = target.lstrip("/")
        yield from packer.file(str(path), f"{name}/" if path.is_dir() else name)
    yield END


def watch_project(context: ComposeContext, project: Project) -> None:
    """For `up --watch`: beside the logs, in a thread of its own."""
    try:
        Watcher(context, project).run()
    except SampanError as error:
        context.err(f"{error.message}\n")


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    project = context.project(names)
    watcher = Watcher(context, project, quiet=flags.on("quiet"), prune=flags.on("prune"))
    if not flags.on("no-up"):
        choices = replace(
            wanted(context, Flags(SHARED_FLAGS), names), images=ImageChoice(build=True)
        )
        with context.display() as display:
            converging = convergence(context, project, display, choices)
            observed, plan = converging.plan()
            warn_of(context, plan)
            converging.applying(observed).run(plan)
    watcher.run()
    return 0


WATCH = Verb(
    run,
    "[SERVICE...]",
    "Watch build context for service and rebuild/refresh containers when files are updated",
    flags=(
        Flag("no-up", "", "bool", "Do not build & start services before watching"),
        Flag("prune", "", "bool", "Prune dangling images on rebuild", default=True),
        Flag("quiet", "", "bool", "hide build output"),
    ),
)
