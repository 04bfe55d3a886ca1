"""A canonical tree -> the records of `model`.

The records' own field types say how a value is read: sizes, durations and octal modes through
their classes, numbers and switches from text where a variable made them text, mappings from lists
of `KEY=VALUE`. What only certain keys do (shell-style commands, health tests, hosts) is in one
table. Keys that no record has are refused by the schema before we get here.
"""

import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from sampan.compose.attributes import (
    Build,
    DeviceRequest,
    Healthcheck,
    Hook,
    Provider,
    Record,
    SshKey,
    StartHook,
    Ulimit,
)
from sampan.compose.failures import BadKey, Path
from sampan.compose.interpolate import to_bool
from sampan.compose.model import Service
from sampan.compose.rules import go_text
from sampan.compose.scalars import Bytes, Duration, FileMode, Float32
from sampan.compose.shellwords import split
from sampan.errors import InvalidArgument

_Reader = Callable[[Any, Path], Any]


def decode(kind: type[Record], value: Mapping[str, Any], path: Path, **more: Any) -> Any:
    """A `kind` from a mapping; `x-` keys become its extensions. Raises BadKey."""
    found: dict[str, Any] = dict(more)
    extensions = {}
    hints = _hints(kind)  # type: ignore[arg-type]  # mypy: the instances' __hash__
    for key, item in value.items():
        if key.startswith("x-"):
            extensions[key] = item
            continue
        if key not in hints:
            if not (kind is Service and key == "extends"):
                raise BadKey((*path, key), "is not known here", joint=" ")
            continue
        special = _SPECIAL.get((kind, key))
        here = (*path, key)
        try:
            read = special(item, here) if special else _read(hints[key], item, here)
        except BadKey:
            raise
        except (InvalidArgument, ValueError, TypeError) as error:
            raise BadKey(here, str(error)) from error
        if read is not None:
            found[key] = read
    if extensions:
        found["extensions"] = extensions
    return kind(**found)


@cache
def _hints(kind: type[Record]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__fields__}


def _read(kind: Any, value: Any, path: Path) -> Any:
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        wanted = next(each for each in get_args(kind) if each is not type(None))
        return None if value is None else _read(wanted, value, path)
    if value is None:
        return None
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        inner = get_args(kind)[0]
        return tuple(_item(inner, item, (*path, str(i))) for i, item in enumerate(items))
    if origin is not None:
        return _mapping(get_args(kind)[1], value, path)
    if isinstance(kind, type) and issubclass(kind, Record):
        if kind is Ulimit and not isinstance(value, dict):
            return Ulimit(single=_number(value))
        if not isinstance(value, dict):
            raise TypeError(f"expected a mapping, got {go_text(value)}")
        return decode(kind, value, path)
    return _scalar(kind, value)


def _item(kind: Any, value: Any, path: Path) -> Any:
    if kind is str and isinstance(value, int | float):
        return go_text(value)
    read = _read(kind, value, path)
    return "" if read is None else read


def _mapping(kind: Any, value: Any, path: Path) -> dict[str, Any]:
    """`kind` is the type of the values."""
    optional = get_origin(kind) in {Union, types.UnionType}
    texts = kind is str or (optional and str in get_args(kind))
    if isinstance(value, list) and texts:
        return dict(_pair(entry, path, optional=optional) for entry in value)
    if not isinstance(value, dict):
        raise TypeError(f"expected a mapping, got {go_text(value)}")
    if texts:
        empty = None if optional else ""
        return {key: empty if item is None else go_text(item) for key, item in value.items()}
    found = {}
    for key, item in value.items():
        read = _read(kind, item, (*path, key))
        if read is not None or optional:
            found[key] = read
    return found


def _pair(entry: Any, path: Path, *, optional: bool) -> tuple[str, str | None]:
    name, sign, value = go_text(entry).partition("=")
    if optional and name[-1:].isspace():
        raise BadKey(
            path, f"environment variable {name} is declared with a trailing space", whole=True
        )
    return name, value if sign else (None if optional else "")


def _scalar(kind: Any, value: Any) -> Any:
    if kind is Any:
        return value
    if kind in {Bytes, Duration, FileMode, Float32}:
        return kind.read(value)
    if kind is str:
        if isinstance(value, bool | float):
            raise TypeError(f"expected text, got {go_text(value)}")
        return str(value)
    if kind is bool:
        if isinstance(value, str):
            return to_bool(value)
        if not isinstance(value, bool):
            raise TypeError(f"expected true or false, got {go_text(value)}")
        return value
    return _number(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError(f"expected a whole number, got {go_text(value)}")
    return int(value)


def _command(value: Any, path: Path) -> tuple[str, ...] | None:
    if isinstance(value, list):
        return tuple(go_text(word) for word in value)
    return None if value is None else split(value)


def _health_test(value: Any, path: Path) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else ("CMD-SHELL", value)


def _hosts(value: Any, path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(value, dict):
        for name, item in value.items():
            items = item if isinstance(item, list) else ["" if item is None else item]
            found[name] = tuple(go_text(each) for each in items)
    else:
        for entry in value or ():
            name, sign, rest = entry.partition("=" if "=" in entry else ":")
            if not sign:
                problem = f"invalid additional host, missing IP: {entry}"
                raise BadKey(path, problem, whole=True)
            found[name] = (*found.get(name, ()), *rest.split(","))
    for name in found:
        if not name or ":" in name or "=" in name:
            raise BadKey(path, f"bad host name '{name}'", whole=True)
    return {name: tuple(map(_unbracketed, items)) for name, items in found.items()}


def _unbracketed(address: str) -> str:
    inside = len(address) > 2 and address.startswith("[") and address.endswith("]")
    return address[1:-1] if inside else address


def _ssh(value: Any, path: Path) -> tuple[SshKey, ...]:
    return tuple(
        SshKey(id=name, path="" if place is None else go_text(place))
        for name, place in value.items()
    )


def _device_count(value: Any, path: Path) -> int:
    if isinstance(value, str):
        if value.lower() == "all":
            return -1
        if not value.lstrip("-").isdecimal():
            problem = f"invalid value \"{value}\", the only value allowed is 'all' or a number"
            raise BadKey(path, problem)
    return _number(value)


def _repeatable(value: Any, path: Path) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(map(go_text, item)) if isinstance(item, list) else (go_text(item),)
        for name, item in value.items()
    }


_SPECIAL: dict[tuple[type[Record], str], _Reader] = {
    (Service, "command"): _command,
    (Service, "entrypoint"): _command,
    (Hook, "command"): _command,
    (StartHook, "command"): _command,
    (Healthcheck, "test"): _health_test,
    (Service, "extra_hosts"): _hosts,
    (Build, "extra_hosts"): _hosts,
    (Build, "ssh"): _ssh,
    (DeviceRequest, "count"): _device_count,
    (Provider, "options"): _repeatable,
}
