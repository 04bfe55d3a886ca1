"""From what a container is to be, the OCI runtime specification of it. Pure.

`SpecInput` is complete: paths exist already, users and devices are looked up, names are resolved.
The defaults (mounts, masked paths, capabilities, device rules, sysctls) are Docker's, in
data/defaults.json. Capabilities fill bounding, permitted and effective, never inheritable.
Invariants: a user's mount replaces the default at the same place, one at /dev drops all defaults
below it; privileged means everything that the daemon itself may do, and no masks, no read-only
paths, no seccomp.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources as package_files
from typing import Any

from sampan.runtime import limits
from sampan.runtime.devices import Device
from sampan.runtime.facts import HostFacts
from sampan.wire.containers import HostSettings

OCI_VERSION = "1.0.2"  # what both crun 1.8 and runc 1.1 take
HOST = "host"
PRIVATE = ""


@dataclass(frozen=True, slots=True)
class SpecMount:
    type: str  # bind, tmpfs, ...
    source: str
    destination: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecNamespaces:
    """Each is "" (a new one), "host" (none) or the path of an existing one."""

    network: str = PRIVATE
    pid: str = PRIVATE
    ipc: str = PRIVATE
    uts: str = PRIVATE
    cgroup: str = HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecInput:
    host: HostSettings
    args: tuple[str, ...]
    env: tuple[str, ...]
    rootfs: str
    facts: HostFacts
    cgroup_path: str
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    umask: int = 0o022
    hostname: str = ""
    domainname: str = ""
    mounts: tuple[SpecMount, ...] = ()
    namespaces: SpecNamespaces = field(default_factory=SpecNamespaces)
    terminal: bool = False
    console_size: tuple[int, int] = (0, 0)  # rows, columns
    shm_path: str = ""  # a shared /dev/shm; empty: a tmpfs of its own; "none": no /dev/shm
    init_path: str = ""  # the host's tini: becomes the first process
    apparmor: str = ""  # the profile; "" where there is none
    seccomp: dict[str, Any] | None = None  # OCI's form; ignored when privileged
    devices: tuple[Device, ...] = ()
    block_io: Mapping[str, Any] = field(default_factory=dict)
    default_ulimits: tuple[Any, ...] = ()  # wire Ulimit, of the daemon's configuration
    annotations: Mapping[str, str] = field(default_factory=dict)


@cache
def defaults() -> Mapping[str, Any]:
    """Docker's defaults; treat as read-only."""
    text = package_files.files("sampan.runtime").joinpath("data/defaults.json").read_bytes()
    found: dict[str, Any] = json.loads(text)
    return found


def build_spec(wanted: SpecInput) -> dict[str, Any]:
    """The whole config.json."""
    spec: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "process": build_process(wanted),
        "root": {"path": wanted.rootfs, "readonly": wanted.host.ReadonlyRootfs},
        "mounts": _mounts(wanted),
        "linux": _linux(wanted),
    }
    if wanted.hostname and wanted.namespaces.uts == PRIVATE:
        spec["hostname"] = wanted.hostname
    annotations = {**(wanted.host.Annotations or {}), **wanted.annotations}
    if annotations:
        spec["annotations"] = annotations
    return spec


def build_process(wanted: SpecInput) -> dict[str, Any]:
    """The `process` member: the container's own process (an exec starts from a copy)."""
    args = list(wanted.args)
    if wanted.init_path:
        args = [*defaults()["init_argv_prefix"], *args]
    process: dict[str, Any] = {
        "terminal": wanted.terminal,
        "user": {
            "uid": wanted.uid,
            "gid": wanted.gid,
            "additionalGids": list(wanted.additional_gids),
            "umask": wanted.umask,
        },
        "args": args,
        "env": list(wanted.env),
        "cwd": wanted.cwd or "/",
        "capabilities": capability_sets(given_capabilities(wanted.host, wanted.facts)),
        "noNewPrivileges": no_new_privileges(wanted.host),
        "oomScoreAdj": limits.oom_score_adj(wanted.host, wanted.facts),
    }
    if wanted.apparmor:
        process["apparmorProfile"] = wanted.apparmor
    ulimits = {limit.Name: limit for limit in wanted.default_ulimits}
    ulimits.update({limit.Name: limit for limit in wanted.host.Ulimits or ()})
    if ulimits:
        process["rlimits"] = limits.rlimits(ulimits.values(), wanted.facts)
    if wanted.terminal and all(wanted.console_size):
        rows, columns = wanted.console_size
        process["consoleSize"] = {"height": rows, "width": columns}
    return process


def given_capabilities(host: HostSettings, facts: HostFacts) -> list[str]:
    """What a container of these settings gets; also decides parts of its seccomp profile."""
    return limits.capabilities(host, facts, defaults()["capabilities"])


def capability_sets(names: list[str]) -> dict[str, list[str]]:
    return {
        "bounding": names,
        "effective": names,
        "permitted": names,
        "inheritable": [],
        "ambient": [],
    }


def no_new_privileges(host: HostSettings) -> bool:
    """`--security-opt no-new-privileges[=true|false]`."""
    for option in host.SecurityOpt or ():
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges":
            return value in {"", "true", "1"}
    return False


def _mounts(wanted: SpecInput) -> list[dict[str, Any]]:
    taken = {mount.destination.rstrip("/") or "/" for mount in wanted.mounts}
    found = []
    for mount in defaults()["mounts"]:
        place = mount["destination"]
        if place in taken or ("/dev" in taken and place.startswith("/dev/")):
            continue
        if place == "/dev/shm":  # noqa: S108 - a mount point inside the container
            if wanted.shm_path != "none":
                found.append(_shm(wanted, mount))
            continue
        if place == "/dev/mqueue" and wanted.namespaces.ipc == HOST:
            found.append(_entry(SpecMount("bind", place, place, ("rbind", "rprivate"))))
            continue
        found.append(_default(wanted, mount))
    if wanted.init_path:
        options = ("bind", "ro", "rprivate")
        target = defaults()["init_path"]
        found.append(_entry(SpecMount("bind", wanted.init_path, target, options)))
    return [*found, *map(_entry, wanted.mounts)]


def _default(wanted: SpecInput, mount: Mapping[str, Any]) -> dict[str, Any]:
    options = list(mount["options"])
    if wanted.host.Privileged and mount["destination"].startswith("/sys"):
        options = [option for option in options if option != "ro"]
    return {**mount, "options": options}


def _shm(wanted: SpecInput, mount: Mapping[str, Any]) -> dict[str, Any]:
    place = mount["destination"]
    if wanted.shm_path:
        return _entry(SpecMount("bind", wanted.shm_path, place, ("rbind", "rprivate")))
    size = wanted.host.ShmSize or defaults()["shm_size_bytes"]
    options = [option for option in mount["options"] if not option.startswith("size=")]
    return {**mount, "options": [*options, f"size={size}"]}


def _entry(mount: SpecMount) -> dict[str, Any]:
    return {
        "destination": mount.destination,
        "type": mount.type,
        "source": mount.source,
        "options": list(mount.options),
    }


def _linux(wanted: SpecInput) -> dict[str, Any]:
    host = wanted.host
    linux: dict[str, Any] = {
        "cgroupsPath": wanted.cgroup_path,
        "namespaces": _namespaces(wanted.namespaces),
        "resources": _resources(wanted),
        "devices": [_device_node(device) for device in wanted.devices],
        "maskedPaths": _masked(wanted),
        "readonlyPaths": _readonly(host),
    }
    if sysctls := _sysctls(wanted):
        linux["sysctl"] = sysctls
    if wanted.seccomp is not None and not host.Privileged:
        linux["seccomp"] = wanted.seccomp
    if propagation := _root_propagation(wanted.mounts):
        linux["rootfsPropagation"] = propagation
    return linux


def _namespaces(namespaces: SpecNamespaces) -> list[dict[str, str]]:
    found = [{"type": "mount"}]
    for kind in ("network", "uts", "pid", "ipc", "cgroup"):
        place = getattr(namespaces, kind)
        if place == HOST:
            continue
        found.append({"type": kind, "path": place} if place else {"type": kind})
    return found


def _resources(wanted: SpecInput) -> dict[str, Any]:
    found = limits.resources(wanted.host, wanted.facts)
    if wanted.block_io:
        found["blockIO"] = {**found.get("blockIO", {}), **wanted.block_io}
    found["devices"] = _device_rules(wanted)
    return found


def _device_rules(wanted: SpecInput) -> list[dict[str, Any]]:
    if wanted.host.Privileged:
        return [{"allow": True, "access": "rwm"}]
    rules = [dict(rule) for rule in defaults()["device_cgroup"]]
    rules += [
        {
            "allow": True,
            "type": device.kind,
            "major": device.major,
            "minor": device.minor,
            "access": device.access,
        }
        for device in wanted.devices
    ]
    return [*rules, *map(_device_rule, wanted.host.DeviceCgroupRules or ())]


def _device_rule(text: str) -> dict[str, Any]:
    """ "c 10:* rwm", checked by limits.check."""
    kind, numbers, access = text.split(" ")
    major, _, minor = numbers.partition(":")
    rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    for name, number in (("major", major), ("minor", minor)):
        rule[name] = -1 if number == "*" else int(number)
    return rule


def _device_node(device: Device) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _masked(wanted: SpecInput) -> list[str]:
    if wanted.host.Privileged:
        return []
    if wanted.host.MaskedPaths is not None:
        return list(wanted.host.MaskedPaths)
    return [*defaults()["masked_paths"], *wanted.facts.thermal_paths]


def _readonly(host: HostSettings) -> list[str]:
    if host.Privileged:
        return []
    return list(defaults()["readonly_paths"] if host.ReadonlyPaths is None else host.ReadonlyPaths)


def _sysctls(wanted: SpecInput) -> dict[str, str]:
    found = dict(defaults()["sysctls"]) if wanted.namespaces.network != HOST else {}
    if wanted.domainname and wanted.namespaces.uts == PRIVATE:
        found["kernel.domainname"] = wanted.domainname
    found.update(wanted.host.Sysctls or {})
    return found


def _root_propagation(mounts: tuple[SpecMount, ...]) -> str:
    """A mount can be shared or slave only if the root's own propagation lets it."""
    options = {option for mount in mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    return "rslave" if options & {"slave", "rslave"} else ""
