"""The values that templates work on, and how Go prints and judges them.

JSON objects stand for Go's maps (plain dicts: a missing key has no value) or structs
(`GoStruct`: a missing key is an error, printed as `{a b}`). `Record` is a row of a listing, whose
fields are computed when asked for.
"""

from __future__ import annotations

from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class NoValue:
    """What a missing key of a map yields."""

    def __bool__(self) -> bool:
        return False


NO_VALUE = NoValue()


class GoStruct(dict[str, object]):
    """A JSON object that is a struct on Go's side; `defaults` holds members left out if empty."""

    __slots__ = ("defaults",)

    def __init__(
        self, members: Mapping[str, object], defaults: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(members)
        self.defaults = defaults or {}

    def find(self, name: str) -> object:
        """The member; raises KeyError."""
        return self[name] if name in self else self.defaults[name]


class NilList(list[object]):
    """Go's nil slice: prints as an empty one, is null in JSON."""

    __slots__ = ()


class NilMap(dict[str, object]):
    """Go's nil map: prints as an empty one, is null in JSON."""

    __slots__ = ()


class Record:
    """One row: `columns` maps a field's name to its heading and a function of the item."""

    __slots__ = ("columns", "item", "type_name")

    def __init__(
        self,
        type_name: str,
        columns: Mapping[str, tuple[object, Callable[..., object]]],
        item: object,
    ) -> None:
        self.type_name = type_name
        self.columns = columns
        self.item = item

    def find(self, name: str) -> object:
        """The field's value; raises KeyError."""
        return self.columns[name][1](self.item)

    def to_json(self) -> str:
        fields = {name: self.find(name) for name in self.columns}
        plain = {name: value for name, value in fields.items() if not callable(value)}
        return encode(plain, sort_keys=True, escape_html=True)


def truth(value: object) -> bool:
    if isinstance(value, GoStruct | Record):
        return True
    return bool(value)


def show(value: object) -> str:
    """As fmt.Print writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, dict | list | tuple):
        return _show_many(value)
    if isinstance(value, NoValue):
        return "<no value>"
    return value.to_json() if isinstance(value, Record) else str(value)


def _show_many(value: dict[str, object] | list[object] | tuple[object, ...]) -> str:
    if isinstance(value, GoStruct):
        return "{" + " ".join(map(show, value.values())) + "}"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    return "[" + " ".join(map(show, value)) + "]"


def show_float(value: float) -> str:
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2] if abs(value) < 1e21 else f"{value:e}"
    return text


def to_json(value: object) -> str:
    return value.to_json() if isinstance(value, Record) else encode(_plain(value))


def _plain(value: object) -> object:
    """Without the marks of this module, maps sorted as Go sorts them."""
    if isinstance(value, NoValue | NilList | NilMap):
        return None
    if isinstance(value, GoStruct):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, Record):
        return {name: _plain(value.find(name)) for name in sorted(value.columns)}
    return value


def type_name(value: object) -> str:
    """Go's name of the type, for messages."""
    if isinstance(value, Record):
        return value.type_name
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list | tuple):
        return "[]interface {}"
    return "interface {}"
