"""The `--name=value` words of one instruction, checked against the names that it knows."""

from sampan.builder.dockerfile.parser import Node
from sampan.builder.dockerfile.source import BadInstruction

_REPEATABLE = frozenset({"mount", "exclude", "device"})
_SWITCHES = frozenset({"link", "parents", "keep-git-dir", "unpack"})


class Flags:
    """Raises BadInstruction for unknown, repeated and value-less flags, and unclear switches."""

    def __init__(self, node: Node, *known: str) -> None:
        self._node = node
        self._values: dict[str, list[str]] = {}
        for word in node.flags:
            name, equals, value = word.removeprefix("--").partition("=")
            if name not in known:
                raise BadInstruction(f"Unknown flag: {name}", node.where)
            if name in self._values and name not in _REPEATABLE:
                raise BadInstruction(f"Duplicate flag specified: {name}", node.where)
            if not equals and name not in _SWITCHES:
                raise BadInstruction(f"Missing a value on flag: {name}", node.where)
            if name in _SWITCHES:
                value = self._switch(name, value if equals else "true")
            self._values.setdefault(name, []).append(value)

    def _switch(self, name: str, value: str) -> str:
        lower = value.lower()
        if lower not in {"true", "false"}:
            raise BadInstruction(
                f"Expecting boolean value for flag {name}, not: {value}", self._node.where
            )
        return lower

    def text(self, name: str) -> str:
        return self._values.get(name, [""])[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a flag that may be repeated."""
        return tuple(self._values.get(name, ()))

    def switch(self, name: str) -> bool | None:
        """None when it wasn't given."""
        return self.text(name) == "true" if self.given(name) else None

    def given(self, name: str) -> bool:
        return name in self._values
