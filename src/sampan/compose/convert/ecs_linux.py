"""linuxParameters of a container definition: memory file systems, capabilities, devices, swap."""

from typing import Any

from sampan.compose.convert.quantities import mebibytes
from sampan.compose.convert.report import Report, filled
from sampan.compose.convert.wants import tmpfs_options
from sampan.compose.model import Service
from sampan.compose.scalars import Bytes
from sampan.errors import InvalidArgument

KEYS = frozenset(
    (
        *("cap_add", "cap_drop", "devices", "init", "mem_swappiness", "memswap_limit"),
        *("shm_size", "tmpfs"),
    )
)
TMPFS_MIB = 64  # ECS demands a size, Compose doesn't
_PERMISSIONS = {"r": "read", "w": "write", "m": "mknod"}


def linux_parameters(service: Service, report: Report) -> dict[str, Any]:
    added = [each.removeprefix("CAP_") for each in service.cap_add]
    dropped = [each.removeprefix("CAP_") for each in service.cap_drop]
    return filled(
        {
            "capabilities": filled({"add": added, "drop": dropped}),
            "devices": _devices(service),
            "initProcessEnabled": service.init,
            "sharedMemorySize": mebibytes(service.shm_size) if service.shm_size else None,
            "tmpfs": _memory_mounts(service, report),
            **_swap(service, report),
        }
    )


def _devices(service: Service) -> list[dict[str, Any]]:
    return [
        filled(
            {
                "hostPath": each.source,
                "containerPath": each.target,
                "permissions": [_PERMISSIONS[p] for p in each.permissions if p in _PERMISSIONS],
            }
        )
        for each in service.devices
    ]


def _swap(service: Service, report: Report) -> dict[str, int]:
    found: dict[str, int] = {}
    if service.memswap_limit:
        if service.memswap_limit > service.mem_limit > 0:
            found["maxSwap"] = mebibytes(service.memswap_limit - service.mem_limit)
        elif service.memswap_limit == service.mem_limit:
            found["maxSwap"] = 0
        else:
            report.dropped(service.name, "memswap_limit", "swap without bound can't be said")
    if service.mem_swappiness:
        if "maxSwap" in found:
            found["swappiness"] = min(int(service.mem_swappiness), 100)
        else:
            report.dropped(service.name, "mem_swappiness", "counts only with memswap_limit")
    return found


def _memory_mounts(service: Service, report: Report) -> list[dict[str, Any]]:
    found = []
    for text in service.tmpfs:
        path, options = tmpfs_options(text)
        size = _size(service, path, options.pop("size", ""), report)
        words = [f"{name}={value}" if value else name for name, value in options.items()]
        found.append(filled({"containerPath": path, "size": size, "mountOptions": words}))
    for mount in service.volumes:
        if mount.type == "tmpfs":
            size_text = str(int(mount.tmpfs.size)) if mount.tmpfs and mount.tmpfs.size else ""
            size = _size(service, mount.target, size_text, report)
            found.append({"containerPath": mount.target, "size": size})
    return found


def _size(service: Service, path: str, text: str, report: Report) -> int:
    try:
        if text:
            return mebibytes(int(Bytes.read(text)))
    except InvalidArgument:
        report.dropped(service.name, f"tmpfs.{path}.size", "a share of the memory can't be named")
    report.changed(service.name, f"tmpfs.{path}", f"ECS demands a size: {TMPFS_MIB} MiB")
    return TMPFS_MIB
