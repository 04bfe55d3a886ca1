"""Protobuf's wire format for messages that are declared as tables of fields.

    @dataclass(slots=True)
    class Vertex(Message):
        digest: str = text(1)
        inputs: list[str] = texts(2)
        started: Timestamp | None = message(5, Timestamp)

The declaration is all there is: `encode` and `decode` compile it at first use. Semantics are those
of proto3: defaults aren't written, the last of several values wins, unknown fields are passed over.
Numbers are int64 (negative ones take ten bytes), which also reads int32, uint32, bool and enums.
Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import Enum, auto
from typing import Any, TypeVar

from sampan.errors import InvalidArgument

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_DEPTH_LIMIT = 100


class BadMessage(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid protobuf message: {reason}")


class Message:
    """Base of declared messages; subclasses are dataclasses whose fields are made below."""

    __slots__ = ()


M = TypeVar("M", bound=Message)


class _Kind(Enum):
    TEXT = auto()
    BYTES = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    MESSAGE = auto()


@dataclass(frozen=True, slots=True)
class _Shape:
    number: int
    kind: _Kind
    of: type[Message] | None = None
    repeated: bool = False
    mapped: bool = False  # map<string, kind>


# Any: a field's default stands where its value's type is declared.
def _scalar(shape: _Shape, default: Any) -> Any:
    return field(default=default, metadata={"shape": shape})


def _collection(shape: _Shape, make: Callable[[], Any]) -> Any:
    return field(default_factory=make, metadata={"shape": shape})


def text(number: int) -> Any:
    return _scalar(_Shape(number, _Kind.TEXT), "")


def data(number: int) -> Any:
    return _scalar(_Shape(number, _Kind.BYTES), b"")


def integer(number: int) -> Any:
    return _scalar(_Shape(number, _Kind.INTEGER), 0)


def boolean(number: int) -> Any:
    return _scalar(_Shape(number, _Kind.BOOLEAN), default=False)


def message(number: int, of: type[Message]) -> Any:
    return _scalar(_Shape(number, _Kind.MESSAGE, of), None)


def texts(number: int) -> Any:
    return _collection(_Shape(number, _Kind.TEXT, repeated=True), list)


def datas(number: int) -> Any:
    return _collection(_Shape(number, _Kind.BYTES, repeated=True), list)


def messages(number: int, of: type[Message]) -> Any:
    return _collection(_Shape(number, _Kind.MESSAGE, of, repeated=True), list)


def text_map(number: int) -> Any:
    return _collection(_Shape(number, _Kind.TEXT, mapped=True), dict)


def data_map(number: int) -> Any:
    return _collection(_Shape(number, _Kind.BYTES, mapped=True), dict)


def message_map(number: int, of: type[Message]) -> Any:
    return _collection(_Shape(number, _Kind.MESSAGE, of, mapped=True), dict)


_TABLES: dict[type[Message], dict[int, tuple[str, _Shape]]] = {}


def _table(kind: type[Message]) -> dict[int, tuple[str, _Shape]]:
    table = _TABLES.get(kind)
    if table is None:
        declared = fields(kind)  # type: ignore[arg-type] # every Message is a dataclass
        shapes = [(one.name, one.metadata["shape"]) for one in declared]
        table = _TABLES[kind] = {shape.number: (name, shape) for name, shape in shapes}
    return table


# --- writing --------------------------------------------------------------------------------


def encode(value: Message) -> bytes:
    out = bytearray()
    for name, shape in _table(type(value)).values():
        held = getattr(value, name)
        if shape.repeated:
            for item in held:
                _write(out, shape.number, shape.kind, item)
        elif shape.mapped:
            for key, item in held.items():
                entry = bytearray()
                _write(entry, 1, _Kind.TEXT, key)
                _write(entry, 2, shape.kind, item)
                _write(out, shape.number, _Kind.BYTES, entry)
        elif held or (shape.kind is _Kind.MESSAGE and held is not None):
            _write(out, shape.number, shape.kind, held)
    return bytes(out)


def _write(out: bytearray, number: int, kind: _Kind, value: Any) -> None:
    if kind in {_Kind.INTEGER, _Kind.BOOLEAN}:
        _write_varint(out, number << 3 | _VARINT)
        _write_varint(out, int(value) & 0xFFFF_FFFF_FFFF_FFFF)
        return
    if kind is _Kind.TEXT:
        value = value.encode("utf-8", "surrogateescape")
    elif kind is _Kind.MESSAGE:
        value = encode(value)
    _write_varint(out, number << 3 | _DELIMITED)
    _write_varint(out, len(value))
    out += value


def _write_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


# --- reading --------------------------------------------------------------------------------


def decode(kind: type[M], source: bytes | memoryview) -> M:
    """Raises BadMessage."""
    return _decode(kind, memoryview(source), 0)


def _decode(kind: type[M], source: memoryview, depth: int) -> M:
    if depth > _DEPTH_LIMIT:
        raise BadMessage("nested too deeply")
    result = kind()
    table = _table(kind)
    position, end = 0, len(source)
    while position < end:
        key, position = _read_varint(source, position)
        known = table.get(key >> 3)
        raw, position = _read_value(source, position, key & 7)
        if known is None:
            continue
        name, shape = known
        if shape.mapped:
            entry = _entry(shape, raw, depth)
            getattr(result, name).update(entry)
        elif shape.repeated:
            getattr(result, name).append(_value(shape, raw, depth))
        else:
            setattr(result, name, _value(shape, raw, depth))
    return result


def _entry(shape: _Shape, raw: int | memoryview, depth: int) -> dict[str, Any]:
    if isinstance(raw, int):
        raise BadMessage("a number where a map entry should be")
    key, value = "", _missing(shape)
    position = 0
    while position < len(raw):
        tag, position = _read_varint(raw, position)
        item, position = _read_value(raw, position, tag & 7)
        if tag >> 3 == 1:
            key = _value(_KEY, item, depth)
        elif tag >> 3 == 2:
            value = _value(shape, item, depth)
    return {key: value}


_KEY = _Shape(1, _Kind.TEXT)


def _missing(shape: _Shape) -> Any:
    if shape.of is not None:
        return shape.of()
    return "" if shape.kind is _Kind.TEXT else b""


def _value(shape: _Shape, raw: int | memoryview, depth: int) -> Any:
    if isinstance(raw, int) != (shape.kind in {_Kind.INTEGER, _Kind.BOOLEAN}):
        raise BadMessage(f"field {shape.number} has the wrong type")
    if isinstance(raw, int):
        if shape.kind is _Kind.BOOLEAN:
            return bool(raw)
        return raw - (1 << 64) if raw >> 63 else raw
    if shape.kind is _Kind.TEXT:
        return str(raw, "utf-8", "surrogateescape")
    if shape.of is not None:
        return _decode(shape.of, raw, depth + 1)
    return bytes(raw)


def _read_value(source: memoryview, position: int, wire_type: int) -> tuple[int | memoryview, int]:
    if wire_type == _VARINT:
        return _read_varint(source, position)
    if wire_type == _DELIMITED:
        length, position = _read_varint(source, position)
    elif wire_type in {_FIXED64, _FIXED32}:
        length = 8 if wire_type == _FIXED64 else 4
    else:
        raise BadMessage(f"wire type {wire_type}")
    end = position + length
    if end > len(source):
        raise BadMessage("unexpected end")
    return source[position:end], end


def _read_varint(source: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(source):
        byte = source[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7
        if shift > 63:
            break
    raise BadMessage("a number doesn't end")
