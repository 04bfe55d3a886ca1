"""What is doubtful in a Dockerfile: warnings by rule, with BuildKit's names and words. Pure.

    lint(file, given, excluded=...) -> Linted(warnings, error)

The rules here need the text only. Three need what a build knows and are written where it is known,
with `warning` below: UndefinedVar (the variables of the base image) and InvalidBaseImagePlatform.
The `check` directive, or the build argument of the same meaning, chooses:

    # check=skip=StageNameCasing,JSONArgsRecommended;error=true;experimental=all
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.checks import CHECK_ARGUMENT, Checks, parse_checks
from sampan.builder.dockerfile.expand import expand
from sampan.builder.dockerfile.parser import Node
from sampan.builder.dockerfile.rules import Rule
from sampan.builder.dockerfile.source import SourceRange
from sampan.builder.dockerfile.stages import Dockerfile, Stage
from sampan.errors import InvalidArgument

Excluded = Callable[[str], bool]

_RESERVED = frozenset({"context", "scratch"})
_ONE_PER_STAGE = {
    "CMD": kinds.Cmd,
    "ENTRYPOINT": kinds.Entrypoint,
    "HEALTHCHECK": kinds.HealthCheck,
}
_SECRET = re.compile(
    r"(?i)(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)"
)
_PUBLIC = re.compile(r"(?i)(?:_|^)public(?:_|$)")
_PLATFORM_ARGUMENTS = frozenset(
    f"{side}{part}"
    for side in ("TARGET", "BUILD")
    for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
) | {"TARGETSTAGE"}
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-+?])?)")
_CONSTANT_PLATFORM = re.compile(r"[^$]+")
_REFERENCE = re.compile(r"[a-z0-9]+(?:[._/:@-]+[a-zA-Z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class LintWarning:
    rule: Rule
    message: str
    where: SourceRange


@dataclass(frozen=True, slots=True)
class Linted:
    """`is_error`: the file says that warnings fail its build."""

    warnings: tuple[LintWarning, ...]
    is_error: bool


class LintFailed(InvalidArgument):
    def __init__(self, linted: Linted) -> None:
        names = sorted({one.rule.name for one in linted.warnings})
        super().__init__(f"lint violation found for rules: {', '.join(names)}")
        self.where = linted.warnings[0].where


def checks_of(file: Dockerfile, given: Mapping[str, str | None]) -> Checks:
    """The build argument goes before the directive."""
    return parse_checks(given.get(CHECK_ARGUMENT) or file.directives.get("check", ""))


def lint(
    file: Dockerfile,
    given: Mapping[str, str | None] | None = None,
    *,
    excluded: Excluded | None = None,
) -> Linted:
    """`given` are the client's build arguments; `excluded` says what .dockerignore leaves out."""
    checks = checks_of(file, given or {})
    found = [*_of_lines(file), *_of_froms(file)]
    for stage in file.stages:
        found += _of_stage(stage, excluded)
    wanted = [one for one in found if checks.wants(one.rule)]
    wanted.sort(key=lambda one: one.where.first_line)
    return Linted(tuple(wanted), checks.is_error)


def warning(rule: Rule, where: SourceRange, *facts: object) -> LintWarning:
    return LintWarning(rule, rule.text.format(*facts), where)


# --- lines ----------------------------------------------------------------------------------


def _of_lines(file: Dockerfile) -> Iterator[LintWarning]:
    for where in file.gaps:
        yield warning(Rule.NoEmptyContinuation, where)
    yield from _casing(file.nodes)
    stage_names = [stage.name for stage in file.stages]
    names = iter(stage_names)
    for node in file.nodes:
        own = next(names) if node.keyword == "FROM" else ""
        yield from _of_node(node)
        yield from _description(node, own)


def _casing(nodes: tuple[Node, ...]) -> Iterator[LintWarning]:
    """The casing of most lines is the file's; a tie is for upper case. Odd ones follow it too."""
    shapes = Counter(
        "lowercase" if node.keyword_as_written.islower() else "uppercase"
        for node in nodes
        if node.keyword_as_written.islower() or node.keyword_as_written.isupper()
    )
    is_lower = shapes["lowercase"] > shapes["uppercase"]
    majority = "lowercase" if is_lower else "uppercase"
    for node in nodes:
        written = node.keyword_as_written
        if written != (written.lower() if is_lower else written.upper()):
            yield warning(Rule.ConsistentInstructionCasing, node.where, written, majority)


def _of_node(node: Node) -> Iterator[LintWarning]:
    match node.keyword:
        case "MAINTAINER":
            yield warning(Rule.MaintainerDeprecated, node.where)
        case "CMD" | "ENTRYPOINT" if not node.is_json and node.words:
            yield warning(Rule.JSONArgsRecommended, node.where, node.keyword)
        case "ENV" | "LABEL" if node.rest and "=" not in node.rest.split(maxsplit=1)[0]:
            yield warning(Rule.LegacyKeyValueFormat, node.where, node.keyword)
        case "EXPOSE":
            for word in node.words:
                yield from _exposed(node, word)


def _exposed(node: Node, word: str) -> Iterator[LintWarning]:
    proto = word.rpartition("/")[2] if "/" in word else ""
    if proto and "$" not in proto and not proto.islower():
        yield warning(Rule.ExposeProtoCasing, node.where, word)
    if ":" in re.sub(r"\$\{[^}]*\}", "", word):
        yield warning(Rule.ExposeInvalidFormat, node.where, word)


def _description(node: Node, stage_name: str) -> Iterator[LintWarning]:
    """A comment right above a named stage or an ARG describes it, and begins with its name."""
    if not node.comment:
        return
    subjects = []
    if node.keyword == "FROM" and stage_name:
        subjects = [("stage", stage_name)]
    elif node.keyword == "ARG":
        subjects = [("ARG", word.partition("=")[0]) for word in node.words]
    first = node.comment.rpartition("\n")[2].split(maxsplit=1)[:1]
    if subjects and first and all(first[0] != name for _, name in subjects):
        what, name = subjects[0]
        yield warning(Rule.InvalidDefinitionDescription, node.where, f"{what} {name}", name)


# --- FROM -----------------------------------------------------------------------------------


def _of_froms(file: Dockerfile) -> Iterator[LintWarning]:
    declared = {name for arg in file.global_args for name, _ in arg.names}
    defaults: dict[str, str] = {}
    for arg in file.global_args:
        for name, default in arg.names:
            defaults[name] = _expanded(default or "", defaults, file.escape)
    seen: set[str] = set()
    for node, stage in zip(_froms(file), file.stages, strict=True):
        yield from _stage_name(node, stage, seen)
        seen.add(stage.name)
        yield from _platform(stage)
        yield from _base(stage, declared, defaults, file.escape)


def _froms(file: Dockerfile) -> Iterator[Node]:
    return (node for node in file.nodes if node.keyword == "FROM")


def _stage_name(node: Node, stage: Stage, seen: set[str]) -> Iterator[LintWarning]:
    if not stage.name:
        return
    _, keyword, written = node.words
    if written != written.lower():
        yield warning(Rule.StageNameCasing, node.where, written)
    first = node.keyword_as_written
    if first.isupper() != keyword.isupper() or first.islower() != keyword.islower():
        yield warning(Rule.FromAsCasing, node.where, keyword, first)
    if stage.name in _RESERVED:
        yield warning(Rule.ReservedStageName, node.where, stage.name)
    if stage.name in seen:
        yield warning(Rule.DuplicateStageName, node.where, stage.name)


def _platform(stage: Stage) -> Iterator[LintWarning]:
    text, where = stage.base.platform, stage.base.where
    if text in {"$TARGETPLATFORM", "${TARGETPLATFORM}"}:
        yield warning(Rule.RedundantTargetPlatform, where, text)
    elif _CONSTANT_PLATFORM.fullmatch(text) and text.split("/")[1:2] != [""]:
        # A stage that says in its name for what it is may be one of several for a choice.
        if any(part in stage.name for part in text.split("/")):
            return
        yield warning(Rule.FromPlatformFlagConstDisallowed, where, text)


def _base(
    stage: Stage, declared: set[str], defaults: Mapping[str, str], escape: str
) -> Iterator[LintWarning]:
    base = stage.base
    used = [*_variables(base.base), *_variables(base.platform)]
    for name, has_default in used:
        if name not in declared and name not in _PLATFORM_ARGUMENTS and not has_default:
            yield warning(Rule.UndefinedArgInFrom, base.where, name)
    names = [name for name, _ in _variables(base.base)]
    if names and all(name in declared for name in names):
        result = _expanded(base.base, defaults, escape)
        if not _REFERENCE.fullmatch(result):
            yield warning(Rule.InvalidDefaultArgInFrom, base.where, base.base)


def _variables(text: str) -> list[tuple[str, bool]]:
    """Names used, and whether the place has a word for a missing one."""
    return [(found[1] or found[2], bool(found[3])) for found in _VARIABLE.finditer(text)]


def _expanded(text: str, variables: Mapping[str, str], escape: str) -> str:
    try:
        return expand(text, variables, escape)
    except InvalidArgument:
        return ""


# --- stages ---------------------------------------------------------------------------------


def _of_stage(stage: Stage, excluded: Excluded | None) -> Iterator[LintWarning]:
    workdir_known = False
    for step in stage.instructions:
        match step:
            case kinds.Workdir():
                if step.path.startswith(("/", "$")):
                    workdir_known = True
                elif not workdir_known:
                    yield warning(Rule.WorkdirRelativePath, step.where, step.path)
                    workdir_known = True
            case kinds.Arg():
                yield from _secrets("ARG", step.where, [name for name, _ in step.names])
            case kinds.Env():
                yield from _secrets("ENV", step.where, [name for name, _ in step.pairs])
            case kinds.Copy() if excluded is not None and not step.from_stage:
                yield from _ignored(step, excluded)
    for keyword, kind in _ONE_PER_STAGE.items():
        several = [step for step in stage.instructions if isinstance(step, kind)]
        for step in several[:-1]:
            yield warning(Rule.MultipleInstructionsDisallowed, step.where, keyword)


def _secrets(keyword: str, where: SourceRange, names: list[str]) -> Iterator[LintWarning]:
    for name in names:
        if _SECRET.search(name) and not _PUBLIC.search(name):
            yield warning(Rule.SecretsUsedInArgOrEnv, where, keyword, name)


def _ignored(step: kinds.Copy, excluded: Excluded) -> Iterator[LintWarning]:
    inline = {heredoc.word for heredoc in step.heredocs}
    for source in step.sources:
        path = source.removeprefix("./").strip("/")
        if source in inline or "://" in source or not path or re.search(r"[*?\[$]", path):
            continue
        if excluded(path):
            yield warning(Rule.CopyIgnoredFile, step.where, step.keyword, source)
