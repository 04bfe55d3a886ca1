"""Merging one tree over another, by Compose's rules for each key.

Mappings merge key by key, lists append, scalars replace. Where a key has short and long syntax
(`environment`, `networks`, `build` ...), both sides are brought into one form first. After a merge
`unique` drops what a later entry of a list redefines: ports by address, volumes by target,
variables by name.
"""

import copy
from collections.abc import Callable, Hashable
from typing import Any

from sampan.compose.failures import BadKey, Path
from sampan.compose.rules import Rules, children, go_text
from sampan.compose.volume_spec import BadVolume, parse_volume

Merger = Callable[[Any, Any, Path], Any]


def merge(base: dict[str, Any], over: dict[str, Any], path: Path = ()) -> dict[str, Any]:
    """`over` merged into `base`, which is changed and returned; raises BadKey."""
    for key, value in over.items():
        here = (*path, key)
        base[key] = _merge_value(base[key], value, here) if key in base else value
    return base


def merge_service(base: dict[str, Any], over: dict[str, Any], name: str) -> dict[str, Any]:
    return merge(base, over, ("services", name))


def _merge_value(base: Any, over: Any, path: Path) -> Any:
    special = _SPECIAL.find(path)
    if special is not None:
        return special(base, over, path)
    if over is None:
        return base
    if isinstance(base, dict):
        if not isinstance(over, dict):
            raise BadKey(path, f"cannot override {'.'.join(path)}", whole=True)
        return merge(base, over, path)
    if isinstance(base, list):
        if not isinstance(over, list):
            raise BadKey(path, f"cannot override {'.'.join(path)}", whole=True)
        return base + over
    return over


def _replace(base: Any, over: Any, path: Path) -> Any:
    return over


def _as_sequence(value: Any) -> list[Any]:
    if isinstance(value, dict):
        found = []
        for key, item in value.items():
            if item is None:
                found.append(key)
            else:
                items = item if isinstance(item, list) else [item]
                found += [f"{key}={go_text(each)}" for each in items]
        return sorted(found)
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, str) else []


def _sequences(base: Any, over: Any, path: Path) -> Any:
    return _as_sequence(base) + _as_sequence(over)


def _hosts(base: Any, over: Any, path: Path) -> Any:
    first = _as_sequence(base)
    return first + [host for host in _as_sequence(over) if host not in first]


def _as_mapping(value: Any, default: Any = None) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {item: copy.copy(default) for item in value if isinstance(item, str)}
    return {}


def _mappings(base: Any, over: Any, path: Path) -> Any:
    return merge(_as_mapping(base), _as_mapping(over), path)


def _dependencies(base: Any, over: Any, path: Path) -> Any:
    default = {"condition": "service_started", "required": True}
    return merge(_as_mapping(base, default), _as_mapping(over, default), path)


def _build(base: Any, over: Any, path: Path) -> Any:
    def long(value: Any) -> Any:
        return {"context": value} if isinstance(value, str) else value or {}

    return merge(long(base), long(over), path)


def _logging(base: Any, over: Any, path: Path) -> Any:
    """Options of one driver mean nothing to another."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return base if over is None else over
    drivers = (base.get("driver"), over.get("driver"))
    if None in drivers or drivers[0] == drivers[1]:
        return merge(base, over, path)
    return over


def _ipam(base: Any, over: Any, path: Path) -> Any:
    """Pools merge by their subnet."""
    if not isinstance(base, list) or not isinstance(over, list):
        raise BadKey(path, "unexpected type, expected a list")
    found: list[dict[str, Any]] = []

    def place(pool: dict[str, Any]) -> int | None:
        subnet = pool.get("subnet")
        return next((i for i, each in enumerate(found) if each.get("subnet") == subnet), None)

    for first in map(_as_mapping, base):
        for second in map(_as_mapping, over):
            if second.get("subnet") != first.get("subnet") and place(second) is None:
                found.append(second)
                continue
            merged = merge(first, second, path)
            index = place(merged)
            if index is None:
                found.append(merged)
            else:
                found[index] = merged
    return found


_SPECIAL: Rules[Merger] = Rules(
    {
        "networks.*.ipam.config": _ipam,
        "networks.*.labels": _sequences,
        "volumes.*.labels": _sequences,
        "services.*.annotations": _sequences,
        "services.*.build": _build,
        "services.*.build.args": _sequences,
        "services.*.build.additional_contexts": _sequences,
        "services.*.build.extra_hosts": _hosts,
        "services.*.build.labels": _sequences,
        "services.*.command": _replace,
        "services.*.depends_on": _dependencies,
        "services.*.deploy.labels": _sequences,
        "services.*.dns": _sequences,
        "services.*.dns_opt": _sequences,
        "services.*.dns_search": _sequences,
        "services.*.entrypoint": _replace,
        "services.*.env_file": _sequences,
        "services.*.label_file": _sequences,
        "services.*.environment": _sequences,
        "services.*.extra_hosts": _hosts,
        "services.*.healthcheck.test": _replace,
        "services.*.labels": _sequences,
        "services.*.volumes.*.volume.labels": _sequences,
        "services.*.logging": _logging,
        "services.*.models": _mappings,
        "services.*.networks": _mappings,
        "services.*.sysctls": _sequences,
        "services.*.tmpfs": _sequences,
        "services.*.ulimits.*": _replace,
    }
)


def unique(tree: Any, path: Path = ()) -> Any:
    """Drops redefined entries of lists, in place; the place of the first stays."""
    if isinstance(tree, dict):
        for key, _, child in children(tree):
            tree[key] = unique(child, (*path, key))
        return tree
    index = _UNIQUE.find(path) if isinstance(tree, list) else None
    if index is None:
        return tree
    found: dict[Hashable, Any] = {}
    for number, entry in enumerate(tree):
        found[index(entry, (*path, str(number)))] = entry
    return list(found.values())


def _by_name(entry: Any, path: Path) -> Hashable:
    if not isinstance(entry, str):
        raise BadKey(path, f"unexpected type {type(entry).__name__}")
    return entry.partition("=")[0]


def _by_target(entry: Any, path: Path) -> Hashable:
    if isinstance(entry, dict):
        if not isinstance(entry.get("target"), str):
            raise BadKey(
                path, f"service volume {'.'.join(path)} is missing a mount target", whole=True
            )
        return str(entry["target"])
    try:
        return str(parse_volume(entry)["target"]) if isinstance(entry, str) else ""
    except BadVolume as error:
        raise BadKey(path, error.message, whole=True) from error


def _by_device(entry: Any, path: Path) -> Hashable:
    if isinstance(entry, dict):
        if not isinstance(entry.get("target"), str):
            raise BadKey(
                path, f"service device {'.'.join(path)} is missing a mount target", whole=True
            )
        return str(entry["target"])
    parts = entry.split(":") if isinstance(entry, str) else [""]
    return str(parts[0] if len(parts) == 1 else parts[1])


def _by_text(entry: Any, path: Path) -> Hashable:
    if not isinstance(entry, str | int):
        raise BadKey(path, f"unsupported expose value {go_text(entry)}")
    return str(entry)


def _by_port(entry: Any, path: Path) -> Hashable:
    if not isinstance(entry, dict):
        return go_text(entry)
    if "target" not in entry:
        raise BadKey(path, f"service ports {'.'.join(path)} is missing a target port", whole=True)
    return (
        entry.get("host_ip", "0.0.0.0"),
        entry.get("published"),
        entry["target"],
        entry.get("protocol", "tcp"),
    )


def _by_mount(folder: str) -> Callable[[Any, Path], Hashable]:
    def index(entry: Any, path: Path) -> Hashable:
        if isinstance(entry, str):
            return f"{folder}/{entry}"
        if not isinstance(entry, dict):
            raise BadKey(path, f"unsupported value {go_text(entry)}")
        return str(entry.get("target", f"{folder}/{entry.get('source')}"))

    return index


def _by_path(entry: Any, path: Path) -> Hashable:
    if isinstance(entry, dict):
        if "path" not in entry:
            raise BadKey(
                path, f"environment path attribute {'.'.join(path)} is missing", whole=True
            )
        return str(entry["path"])
    return entry if isinstance(entry, str) else ""


_NAMED = (
    "annotations",
    "build.args",
    "build.additional_contexts",
    "build.platform",
    "build.tags",
    "build.labels",
    "cap_add",
    "cap_drop",
    "deploy.labels",
    "dns",
    "dns_opt",
    "dns_search",
    "environment",
    "labels",
    "links",
    "networks.*.aliases",
    "networks.*.link_local_ips",
    "profiles",
    "sysctls",
    "tmpfs",
)
_UNIQUE: Rules[Callable[[Any, Path], Hashable]] = Rules(
    {"networks.*.labels": _by_name, "networks.*.ipam.options": _by_name}
    | {f"services.*.{key}": _by_name for key in _NAMED}
    | {
        "services.*.devices": _by_device,
        "services.*.configs": _by_mount(""),
        "services.*.env_file": _by_path,
        "services.*.expose": _by_text,
        "services.*.ports": _by_port,
        "services.*.secrets": _by_mount("/run/secrets"),
        "services.*.volumes": _by_target,
    }
)
