"""Limits and devices of a service; `deploy.resources` wins over the keys of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.compose.attributes import ThrottleDevice
    from sampan.compose.model import Service

Json = dict[str, Any]  # a request's body: the engine's API, not ours
NANO = 1_000_000_000
CDI_SEPARATOR = "="


def limits(service: Service) -> Json:
    found: Json = {
        "NanoCpus": round(float(str(service.cpus)) * NANO),
        "CpuShares": service.cpu_shares,
        "CpuPeriod": service.cpu_period,
        "CpuQuota": service.cpu_quota,
        "CpuRealtimePeriod": service.cpu_rt_period,
        "CpuRealtimeRuntime": service.cpu_rt_runtime,
        "CpuCount": service.cpu_count,
        "CpuPercent": int(service.cpu_percent),
        "CpusetCpus": service.cpuset,
        "Memory": int(service.mem_limit),
        "MemoryReservation": int(service.mem_reservation),
        "MemorySwap": int(service.memswap_limit),
        "OomScoreAdj": service.oom_score_adj,
        "ShmSize": int(service.shm_size),
    }
    if service.mem_swappiness:
        found["MemorySwappiness"] = int(service.mem_swappiness)
    if service.oom_kill_disable:
        found["OomKillDisable"] = True
    if service.pids_limit:
        found["PidsLimit"] = service.pids_limit
    found.update(_deploy_limits(service))
    return found


def _deploy_limits(service: Service) -> Json:
    found: Json = {}
    if service.deploy is None:
        return found
    most, least = service.deploy.resources.limits, service.deploy.resources.reservations
    if most is not None:
        if most.cpus:
            found["NanoCpus"] = round(float(str(most.cpus)) * NANO)
        if most.memory:
            found["Memory"] = int(most.memory)
        if most.pids:
            found["PidsLimit"] = most.pids
    if least is not None and least.memory:
        found["MemoryReservation"] = int(least.memory)
    return found


def blkio(service: Service) -> Json:
    given = service.blkio_config
    if given is None:
        return {}
    return {
        "BlkioWeight": given.weight,
        "BlkioWeightDevice": [
            {"Path": device.path, "Weight": device.weight} for device in given.weight_device
        ],
        "BlkioDeviceReadBps": _rates(given.device_read_bps),
        "BlkioDeviceReadIOps": _rates(given.device_read_iops),
        "BlkioDeviceWriteBps": _rates(given.device_write_bps),
        "BlkioDeviceWriteIOps": _rates(given.device_write_iops),
    }


def _rates(devices_: Sequence[ThrottleDevice]) -> list[Json]:
    return [{"Path": device.path, "Rate": int(device.rate)} for device in devices_]


def ulimits(service: Service) -> list[Json]:
    return [
        {"Name": name, "Soft": limit.single or limit.soft, "Hard": limit.single or limit.hard}
        for name, limit in service.ulimits.items()
    ]


def devices(service: Service) -> list[Json]:
    """Host devices; names of the form vendor/class=name are requests (see below)."""
    return [
        {
            "PathOnHost": device.source,
            "PathInContainer": device.target,
            "CgroupPermissions": device.permissions,
        }
        for device in service.devices
        if not _is_cdi(device.source, device.target)
    ]


def _is_cdi(source: str, target: str) -> bool:
    return CDI_SEPARATOR in source and not source.startswith("/") and source == target


def device_requests(service: Service) -> list[Json]:
    """CDI devices by name, and reservations; the engine says which it can't fulfil."""
    named = [device.source for device in service.devices if _is_cdi(device.source, device.target)]
    found: list[Json] = [{"Driver": "cdi", "DeviceIDs": named}] if named else []
    reserved = service.deploy.resources.reservations if service.deploy else None
    return found + [
        {
            "Driver": request.driver,
            "Count": request.count,
            "DeviceIDs": list(request.device_ids),
            "Capabilities": [list(request.capabilities)],
            "Options": dict(request.options),
        }
        for request in (reserved.devices if reserved else ())
    ]
