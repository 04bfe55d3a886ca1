"""The `check` directive: which lint rules count, and whether they fail the build. Pure.

# check=skip=RuleA,RuleB;error=true;experimental=RuleC       skip=all, experimental=all
"""

from dataclasses import dataclass

from sampan.builder.dockerfile.rules import Rule
from sampan.errors import InvalidArgument

CHECK_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
_ALL = "all"
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})


class BadCheck(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid check option {text!r}")


@dataclass(frozen=True, slots=True)
class Checks:
    skipped: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    is_error: bool = False

    def wants(self, rule: Rule) -> bool:
        if rule.experimental and not self.experimental & {_ALL, rule.name}:
            return False
        return not self.skipped & {_ALL, rule.name}


def parse_checks(text: str) -> Checks:
    """Raises BadCheck."""
    names: dict[str, frozenset[str]] = {"skip": frozenset(), "experimental": frozenset()}
    is_error = False
    for option in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = option.partition("=")
        name = name.strip().lower()
        if equals and name in names:
            names[name] = frozenset(word.strip() for word in value.split(",") if word.strip())
        elif equals and name == "error" and value.strip().lower() in _TRUE | _FALSE:
            is_error = value.strip().lower() in _TRUE
        else:
            raise BadCheck(option)
    return Checks(names["skip"], names["experimental"], is_error)
