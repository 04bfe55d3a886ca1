"""Which branches and tags of a source become which tags of the image. Pure.

    source        a name, or /regex/ that is looked for in the name (anchor it with ^ and $)
    docker_tag    text with {sourceref} and, of a regex, {\\1} to {\\9}
    dockerfile    in the context; / or empty is Dockerfile
    build_context in the repository; empty is the Dockerfile's folder, / the whole repository

Expressions are RE2's: they take linear time whatever a repository's owner writes.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

import re2

from sampan.errors import InvalidArgument

BRANCH, TAG = "branch", "tag"
RULES_MOST = 50
_TEXT_MOST = 255
_GROUP = re.compile(r"\{\\([1-9])\}")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_REF = {BRANCH: "refs/heads/", TAG: "refs/tags/"}


class BadRule(InvalidArgument):
    pass


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag of a source. `kind` is BRANCH or TAG."""

    kind: str
    name: str

    @property
    def full(self) -> str:
        return _REF[self.kind] + self.name


@dataclass(frozen=True, slots=True)
class Rule:
    """`autobuild` off: only built when somebody asks."""

    source_type: str
    source: str
    docker_tag: str
    dockerfile: str = "Dockerfile"
    build_context: str = "/"
    autobuild: bool = True
    build_caching: bool = True


DEFAULT_RULE = Rule(BRANCH, "/^(main|master)$/", "latest")


def parse_ref(full: str) -> Ref | None:
    """Of refs/heads/x or refs/tags/x; None for other refs."""
    for kind, prefix in _REF.items():
        name = full.removeprefix(prefix)
        if full.startswith(prefix) and name:
            return Ref(kind, name)
    return None


def image_tag(rule: Rule, ref: Ref) -> str | None:
    """The tag that `ref` is built to by this rule; None if the rule isn't about it.

    Also None where the result isn't a tag that an image can have.
    """
    if rule.source_type != ref.kind:
        return None
    groups: tuple[str | None, ...] = ()
    if is_expression(rule.source):
        found = _compiled(rule.source[1:-1]).search(ref.name)
        if found is None:
            return None
        groups = found.groups()
    elif rule.source != ref.name:
        return None

    def group(match: re.Match[str]) -> str:
        number = int(match[1])
        return (groups[number - 1] or "") if number <= len(groups) else ""

    text = _GROUP.sub(group, rule.docker_tag.replace("{sourceref}", ref.name))
    return text if _TAG.fullmatch(text) else None


def matches(rules: Sequence[Rule], ref: Ref) -> list[tuple[Rule, str]]:
    """Rules about this ref with their tags; a tag is built once, by the first rule."""
    found: dict[str, Rule] = {}
    for rule in rules:
        tag = image_tag(rule, ref)
        if tag is not None:
            found.setdefault(tag, rule)
    return [(rule, tag) for tag, rule in found.items()]


def is_expression(source: str) -> bool:
    return len(source) > 2 and source.startswith("/") and source.endswith("/")


def check_rule(rule: Rule) -> Rule:
    """The rule in its normal form. Raises BadRule naming what is wrong."""
    if rule.source_type not in _REF:
        raise BadRule("a rule is about a branch or a tag")
    texts = (rule.source, rule.docker_tag, rule.dockerfile, rule.build_context)
    if any(len(text) > _TEXT_MOST or not text.isprintable() for text in texts):
        raise BadRule(f"a rule's texts have at most {_TEXT_MOST} printable characters")
    _check_source(rule.source)
    _check_tag(rule)
    dockerfile, context = _places(rule.dockerfile, rule.build_context)
    return Rule(
        rule.source_type,
        rule.source,
        rule.docker_tag,
        dockerfile,
        context,
        rule.autobuild,
        rule.build_caching,
    )


def _check_source(source: str) -> None:
    if not source:
        raise BadRule("a rule needs a source: a name or /regex/")
    if is_expression(source):
        _compiled(source[1:-1])
    elif source.startswith("-") or " " in source or "\\" in source:
        raise BadRule(f"{source!r} can't be the name of a branch or tag")


def _check_tag(rule: Rule) -> None:
    wanted = {int(number) for number in _GROUP.findall(rule.docker_tag)}
    have = _compiled(rule.source[1:-1]).groups if is_expression(rule.source) else 0
    if any(number > have for number in wanted):
        raise BadRule(f"{rule.docker_tag!r} refers to a group that the source hasn't got")
    sample = _GROUP.sub("1", rule.docker_tag.replace("{sourceref}", "1"))
    if not _TAG.fullmatch(sample):
        raise BadRule(f"{rule.docker_tag!r} can't become a tag")


def _places(dockerfile: str, context: str) -> tuple[str, str]:
    """The Dockerfile relative to the context, and the context as /path."""
    dockerfile = dockerfile.strip().removeprefix("./")
    dockerfile = dockerfile.lstrip("/") or "Dockerfile"
    context = context.strip()
    if not context:
        context, dockerfile = posixpath.split(dockerfile)
    places = (posixpath.normpath(dockerfile), posixpath.normpath("/" + context))
    if places[0].startswith("..") or ".." in context.split("/"):
        raise BadRule("the Dockerfile and the context must be inside the repository")
    return places[0], "/" + places[1].lstrip("/")


def _compiled(expression: str) -> "re2._Regexp[str]":
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options=options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadRule(f"{expression!r} isn't a regular expression: {text}") from error
