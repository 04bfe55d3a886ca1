"""The canonical form of a project as plain dicts and lists, in Docker Compose's shape.

Docker Compose prints its records with Go's encoders, whose habits show: what is zero is left out,
except where zero means something (a default of None in our records) and, in JSON alone, for
records held by value. Sizes are text, durations Go's, hosts a list. The JSON shape is also what
configuration hashes are made of. `x-` keys are printed in YAML; in JSON those of the top level
only.
"""

from collections.abc import Callable, Mapping
from functools import cache, cmp_to_key
from typing import Any

from sampan.compose.attributes import (
    DependsOn,
    DiscreteResource,
    EnvFile,
    Hook,
    Record,
    SshKey,
    StartHook,
    ThrottleDevice,
    Ulimit,
    WatchRule,
    WeightDevice,
)
from sampan.compose.encode import compare_keys
from sampan.compose.model import FileObject, Project, Service
from sampan.compose.scalars import Bytes, Duration, FileMode, Float32
from sampan.lib.records import defaults, replace

_ALWAYS = {
    (WatchRule, "path"),
    (WatchRule, "action"),
    (WeightDevice, "path"),
    (WeightDevice, "weight"),
    (ThrottleDevice, "path"),
    (ThrottleDevice, "rate"),
    (DiscreteResource, "kind"),
    (DiscreteResource, "value"),
    (DependsOn, "required"),
    (EnvFile, "required"),
}
_ALWAYS_JSON = {
    (Service, "command"),
    (Service, "entrypoint"),
    (Hook, "command"),
    (StartHook, "command"),
}
_TITLED_JSON = (WeightDevice, ThrottleDevice)  # Docker Compose names no keys for their JSON
_RESOURCES = ("networks", "volumes", "secrets", "configs")


def project_json(project: Project) -> dict[str, Any]:
    """Keys sorted, as everywhere below where Docker Compose has a Go map."""
    found: dict[str, Any] = {"name": project.name, "services": _plain(project.services, True)}
    for kind in _RESOURCES:
        if getattr(project, kind):
            found[kind] = _plain(getattr(project, kind), True)
    found |= _plain(project.extensions, True)
    return dict(sorted(found.items()))


def project_yaml(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = {"name": project.name, "services": _plain(project.services, False)}
    for kind in (*_RESOURCES, "models"):
        if getattr(project, kind):
            found[kind] = _plain(getattr(project, kind), False)
    found |= _plain(project.extensions, False)
    return found


def record_json(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = _plain(record, True)
    return found


def _plain(value: Any, json: bool) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Bytes):
        return str(int(value))
    if isinstance(value, Duration | FileMode):
        return str(value)
    if isinstance(value, Float32):
        return _number(str(value))
    if isinstance(value, Record):
        special = _SPECIAL.get(type(value))
        return special(value, json) if special else _fields(value, json)
    if isinstance(value, Mapping):
        keys = sorted(value) if json else sorted(value, key=cmp_to_key(compare_keys))
        return {key: _plain(value[key], json) for key in keys}
    if isinstance(value, tuple | list):
        return [_plain(each, json) for each in value]
    return value


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


@cache
def _defaults(kind: type[Record]) -> tuple[tuple[str, Any], ...]:
    """The record's own fields with what they are when nothing was given."""
    return tuple((name, default) for name, default in defaults(kind) if name != "extensions")


def _fields(record: Record, json: bool) -> dict[str, Any]:
    kind = type(record)
    found: dict[str, Any] = {}
    for name, default in _defaults(kind):  # type: ignore[arg-type]  # mypy: the instances' __hash__
        value = getattr(record, name)
        if kind is Service and name == "name":
            continue
        if not _shown(kind, name, value, default, json):
            continue
        key = name.title() if json and kind in _TITLED_JSON else name
        found[key] = _hosts(value) if name == "extra_hosts" else _plain(value, json)
    if not json:
        found |= _plain(record.extensions, json)
    return found


def _shown(kind: type[Record], name: str, value: Any, default: Any, json: bool) -> bool:
    if (kind, name) in _ALWAYS or (json and (kind, name) in _ALWAYS_JSON):
        return True
    if default is None:
        return value is not None
    if isinstance(default, Record):
        return json or value != default
    return bool(value)


def _hosts(value: Mapping[str, tuple[str, ...]]) -> list[str]:
    return sorted(f"{name}={address}" for name, each in value.items() for address in each)


def _env_file(record: Any, json: bool) -> Any:
    if record.required:
        return record.path
    return _fields(record, json) if json else {"path": record.path, "required": False}


def _ssh(record: Any, json: bool) -> Any:
    if not record.path:
        return record.id
    return f"{record.id}={record.path}" if json else f"{record.id}: {record.path}"


def _ulimit(record: Any, json: bool) -> Any:
    if record.single:
        return record.single
    return _fields(record, json) if json else {"soft": record.soft, "hard": record.hard}


def _file_object(record: Any, json: bool) -> Any:
    """Content that came from a variable may be a secret: it's never printed."""
    if record.environment:
        record = replace(record, content="")
    return _fields(record, json)


_SPECIAL: dict[type[Record], Callable[[Any, bool], Any]] = {
    EnvFile: _env_file,
    SshKey: _ssh,
    Ulimit: _ulimit,
    FileObject: _file_object,
}
