"""The `--name=value` words of one instruction, checked against the names that it knows."""

from sampan.builder.dockerfile.parser import Node
from sampan.builder.dockerfile.source import BadInstruction

_REPEATABLE = frozenset({"mount"})


class Flags:
    """Raises BadInstruction for unknown, repeated and value-less flags."""

    def __init__(self, node: Node, *known: str) -> None:
        self._values: dict[str, str] = {}
        for word in node.flags:
            name, equals, value = word.removeprefix("--").partition("=")
            if name not in known:
                raise BadInstruction(f"Unknown flag: {name}", node.where)
            if name in self._values and name not in _REPEATABLE:
                raise BadInstruction(f"Duplicate flag specified: {name}", node.where)
            if not equals:
                raise BadInstruction(f"Missing a value on flag: {name}", node.where)
            self._values[name] = value

    def text(self, name: str) -> str:
        return self._values.get(name, "")

    def given(self, name: str) -> bool:
        return name in self._values
