"""JSON in and out with Go's habits.

In: unknown fields pass, the case of a field's name matters only where two spellings of it are there
(docker-py sends `detachKeys`), `null` means the field's zero value, a lone string stands for a list
of one where a list of strings is wanted (Go's strslice). Out: fields named in a struct's `OMITEMPTY`
are left out while empty (those in `OMITNONE` only while None), map keys are sorted, HTML
characters aren't escaped.
"""

import types
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

import msgspec

from sampan.errors import InvalidArgument

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0)]  # Go's uint
_INT64 = range(-(2**63), 2**63)


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all API structs."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset()
    OMITNONE: ClassVar[frozenset[str]] = frozenset()  # Go's pointers with omitempty: 0 stays


class Body(InvalidArgument):
    """A request body that isn't the JSON wanted."""


def decode(data: bytes, kind: type[T]) -> T:
    """Parse and check a body. Raises InvalidArgument naming the field."""
    try:
        return convert(msgspec.json.decode(data), kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Body(f"invalid JSON: {error}") from error


def convert(value: Any, kind: type[T]) -> T:
    """Check plain JSON data against `kind`."""
    try:
        return msgspec.convert(_without_nulls(value, kind), kind)
    except msgspec.ValidationError as error:
        raise Body(f"invalid request body: {error}") from error


def encode(value: Any) -> bytes:
    """JSON with a newline at the end."""
    return msgspec.json.encode(to_plain(value)) + b"\n"


def to_plain(value: Any) -> Any:
    """Structs to dicts, leaving out empty OMITEMPTY fields; dicts get sorted keys."""
    if isinstance(value, Wire):
        omit, omit_none = value.OMITEMPTY, value.OMITNONE
        return {
            name: to_plain(field)
            for name in value.__struct_fields__
            if (field := getattr(value, name))
            or (name not in omit and (field is not None or name not in omit_none))
        }
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {key: to_plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # Go writes 1.0 as 1
    return value


@cache
def _fields(kind: type) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


@cache
def _folded(kind: type) -> dict[str, str]:
    return {name.lower(): name for name in _fields(kind)}


def _strip_optional(kind: Any) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        rest = [arm for arm in get_args(kind) if arm is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind


def _without_nulls(value: Any, kind: Any) -> Any:
    kind = _strip_optional(kind)
    if isinstance(value, dict):
        return _dict_without_nulls(value, kind)
    if isinstance(value, list) and get_origin(kind) is list:
        (item,) = get_args(kind)
        return [_without_nulls(entry, item) for entry in value if entry is not None]
    if isinstance(value, str) and kind == list[str]:
        return [value]
    if kind is int and isinstance(value, int) and value not in _INT64:
        raise Body(f"invalid JSON: {value} is out of range of type int64")
    return value


def _dict_without_nulls(value: dict[str, Any], kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        wanted, folded = _fields(kind), _folded(kind)
        found: dict[str, Any] = {}
        for name, entry in value.items():
            known = name if name in wanted else folded.get(name.lower(), name)
            if entry is not None and (known == name or known not in value):
                found[known] = _without_nulls(entry, wanted.get(known, Any))
        return found
    if get_origin(kind) is dict:
        item = get_args(kind)[1]
        empty = _zero(item)
        return {
            name: empty if entry is None else _without_nulls(entry, item)
            for name, entry in value.items()
        }
    return value


def _zero(kind: Any) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        return None
    base = get_origin(kind) or kind
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        return {}
    return base() if base in {str, int, bool, list, dict, float} else None
