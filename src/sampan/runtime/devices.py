"""Device nodes for containers: what `--device` and `--privileged` stand for on this machine.

Reads /dev; everything else about devices is pure and in spec_builder.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.errors import InvalidArgument
from sampan.wire.containers import DeviceMapping, Resources

_NOT_DEVICES = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A node as the container sees it. `access` is what its cgroup allows."""

    path: str
    kind: str  # c or b
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    access: str = "rwm"


class NoSuchDevice(InvalidArgument):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f'error gathering device information while adding custom device "{path}": {why}'
        )


def mapped_devices(mappings: Iterable[DeviceMapping]) -> tuple[Device, ...]:
    """`--device host[:container[:rwm]]`; a folder stands for the devices in it."""
    found: list[Device] = []
    for mapping in mappings:
        source = Path(mapping.PathOnHost)
        target = mapping.PathInContainer or mapping.PathOnHost
        access = mapping.CgroupPermissions or "rwm"
        try:
            facts = source.stat()
        except OSError as error:
            raise NoSuchDevice(str(source), os.strerror(error.errno or 0).lower()) from error
        if stat.S_ISDIR(facts.st_mode):
            below = list(_below(source, target, access))
            if not below:
                raise NoSuchDevice(str(source), "no device nodes in it")
            found += below
        elif device := _device(target, facts, access):
            found.append(device)
        else:
            raise NoSuchDevice(str(source), "not a device node")
    return tuple(found)


def host_devices(root: Path = Path("/dev")) -> tuple[Device, ...]:
    """All device nodes of the machine, for privileged containers."""
    return tuple(_below(root, "/dev", "rwm"))


def _below(folder: Path, target: str, access: str) -> Iterator[Device]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in _NOT_DEVICES or entry.is_symlink():
            continue
        path = f"{target}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), path, access)
        elif device := _device(path, entry.stat(follow_symlinks=False), access):
            yield device


def _device(path: str, facts: os.stat_result, access: str) -> Device | None:
    kinds = ((stat.S_ISCHR, "c"), (stat.S_ISBLK, "b"))
    kind = next((letter for test, letter in kinds if test(facts.st_mode)), None)
    if kind is None:
        return None
    return Device(
        path=path,
        kind=kind,
        major=os.major(facts.st_rdev),
        minor=os.minor(facts.st_rdev),
        mode=stat.S_IMODE(facts.st_mode),
        uid=facts.st_uid,
        gid=facts.st_gid,
        access=access,
    )


def block_io_limits(host: Resources) -> dict[str, Any]:
    """The OCI blockIO members that name devices by path. Raises NoSuchDevice."""
    found: dict[str, Any] = {}
    lists = {
        "throttleReadBpsDevice": host.BlkioDeviceReadBps,
        "throttleWriteBpsDevice": host.BlkioDeviceWriteBps,
        "throttleReadIOPSDevice": host.BlkioDeviceReadIOps,
        "throttleWriteIOPSDevice": host.BlkioDeviceWriteIOps,
    }
    for name, devices in lists.items():
        if devices:
            found[name] = [{**_numbers(device.Path), "rate": device.Rate} for device in devices]
    if host.BlkioWeightDevice:
        found["weightDevice"] = [
            {**_numbers(device.Path), "weight": device.Weight} for device in host.BlkioWeightDevice
        ]
    return found


def _numbers(path: str) -> dict[str, int]:
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise NoSuchDevice(path, os.strerror(error.errno or 0).lower()) from error
    return {"major": os.major(facts.st_rdev), "minor": os.minor(facts.st_rdev)}
