"""Limits of a container: defaults, checks in dockerd's words, and cutting to what can be given.

Pure. `with_defaults` fills in what Docker derives (swap is twice the memory, ...), `check` refuses
what can't be right and returns warnings, `resources` makes the OCI object of the rest.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.runtime.facts import CAPABILITIES, RLIMITS, HostFacts
from sampan.wire.containers import HostSettings, Resources, Ulimit

MIN_MEMORY_BYTES = 6 << 20
CPU_PERIOD_US = 100_000
MAX_PIDS_UNLIMITED = -1
_CPU_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_DEVICE_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")
_DEVICE_MODE = re.compile(r"[rwm]{1,3}")


def with_defaults(host: HostSettings) -> HostSettings:
    """What inspect shows for limits that the client left open."""
    changes: dict[str, Any] = {}
    if host.Memory > 0 and host.MemorySwap == 0:
        changes["MemorySwap"] = host.Memory * 2
    if host.PidsLimit is not None and host.PidsLimit <= 0:
        changes["PidsLimit"] = None
    return msgspec.structs.replace(host, **changes) if changes else host


def check(host: HostSettings, facts: HostFacts) -> list[str]:
    """Raises InvalidArgument; returns warnings for the answer of create."""
    check_resources(host, facts)
    capabilities(host, facts)
    for rule in host.DeviceCgroupRules or ():
        if not _DEVICE_RULE.fullmatch(rule):
            raise InvalidArgument(f"invalid device cgroup rule format: '{rule}'")
    for device in host.Devices or ():
        if device.CgroupPermissions and not _DEVICE_MODE.fullmatch(device.CgroupPermissions):
            raise InvalidArgument(f"invalid device mode: {device.CgroupPermissions}")
    if host.ShmSize < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    warnings = []
    if host.OomKillDisable and facts.cgroup_version == "2":
        warnings.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
    elif host.OomKillDisable and not host.Memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, this can "
            "result in the system running out of resources."
        )
    return warnings


def check_resources(wanted: Resources, facts: HostFacts) -> None:
    """The part that `update` has too."""
    _check_memory(wanted)
    _check_cpu(wanted, facts)
    if wanted.PidsLimit is not None and wanted.PidsLimit < MAX_PIDS_UNLIMITED:
        raise InvalidArgument("PidsLimit can not be less than -1")
    if wanted.BlkioWeight and not 10 <= wanted.BlkioWeight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    for limit in wanted.Ulimits or ():
        _check_ulimit(limit)


def _check_memory(wanted: Resources) -> None:
    memory, swap = wanted.Memory, wanted.MemorySwap
    if memory < 0 or 0 < memory < MIN_MEMORY_BYTES:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise InvalidArgument(
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        )
    if memory and 0 < swap < memory:
        raise InvalidArgument(
            "Minimum memoryswap limit should be larger than memory limit, see usage"
        )
    if wanted.MemorySwappiness is not None and not -1 <= wanted.MemorySwappiness <= 100:
        raise InvalidArgument(
            f"Invalid value: {wanted.MemorySwappiness}, valid memory swappiness range is 0-100"
        )
    reservation = wanted.MemoryReservation
    if reservation < 0 or 0 < reservation < MIN_MEMORY_BYTES:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if memory and reservation > memory:
        raise InvalidArgument(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )


def _check_cpu(wanted: Resources, facts: HostFacts) -> None:
    if wanted.NanoCpus and wanted.CpuPeriod:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if wanted.NanoCpus and wanted.CpuQuota:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    count = facts.cpu_count
    if wanted.NanoCpus < 0 or wanted.NanoCpus > count * 1_000_000_000:
        raise InvalidArgument(
            f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"
        )
    if wanted.CpuShares < 0:
        raise InvalidArgument(
            f"invalid CPU shares ({wanted.CpuShares}): value must be a positive integer"
        )
    if wanted.CpuPeriod and not 1000 <= wanted.CpuPeriod <= 1_000_000:
        raise InvalidArgument(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < wanted.CpuQuota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    for name, value in (("cpus", wanted.CpusetCpus), ("mems", wanted.CpusetMems)):
        if value and not _CPU_LIST.fullmatch(value):
            raise InvalidArgument(f"Invalid value {value} for cpuset {name}")
    highest = max((int(n) for n in re.findall(r"\d+", wanted.CpusetCpus)), default=0)
    if wanted.CpusetCpus and highest >= count:
        raise InvalidArgument(
            f"Requested CPUs are not available - requested {wanted.CpusetCpus}, "
            f"available: 0-{count - 1}"
        )


def _check_ulimit(limit: Ulimit) -> None:
    if limit.Name not in RLIMITS:
        raise InvalidArgument(f"invalid ulimit type: {limit.Name}")
    if limit.Hard != -1 and (limit.Soft > limit.Hard or limit.Soft == -1):
        raise InvalidArgument(
            f"ulimit soft limit must be less than or equal to hard limit: "
            f"{limit.Soft} > {limit.Hard}"
        )


def capabilities(host: HostSettings, facts: HostFacts, default: Iterable[str] = ()) -> list[str]:
    """The set to give, in the order of the bits. Raises InvalidArgument for unknown names."""
    added = _known(host.CapAdd or (), "CapAdd")
    dropped = _known(host.CapDrop or (), "CapDrop")
    if host.Privileged:
        wanted = set(facts.capabilities)
    else:
        base = set(CAPABILITIES) if "ALL" in added else set(default)
        if "ALL" in dropped:
            base = set(CAPABILITIES) if "ALL" in added else set()
        wanted = (base - dropped) | (added - {"ALL"})
    return [name for name in CAPABILITIES if name in wanted and name in facts.capabilities]


def _known(names: Iterable[str], field: str) -> set[str]:
    found = set()
    for name in names:
        upper = name.upper()
        full = upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"
        if full != "ALL" and full not in CAPABILITIES:
            raise InvalidArgument(f'invalid {field}: unknown capability: "{full}"')
        found.add(full)
    return found


def rlimits(limits: Iterable[Ulimit], facts: HostFacts) -> list[dict[str, Any]]:
    """OCI rlimits; without CAP_SYS_RESOURCE never above what the daemon itself has."""
    found = []
    for limit in limits:
        name = RLIMITS[limit.Name]
        soft, hard = limit.Soft, limit.Hard
        own = facts.hard_limits.get(name, -1)
        if not facts.can_raise_limits and own != -1:
            hard = own if hard == -1 else min(hard, own)
            soft = hard if soft == -1 else min(soft, hard)
        found.append({"type": name, "soft": _unsigned(soft), "hard": _unsigned(hard)})
    return found


def _unsigned(value: int) -> int:
    return value if value >= 0 else 2**64 - 1  # RLIM_INFINITY


def oom_score_adj(host: HostSettings, facts: HostFacts) -> int:
    """Lowering one's own value needs CAP_SYS_RESOURCE."""
    if facts.can_raise_limits:
        return host.OomScoreAdj
    return max(host.OomScoreAdj, facts.oom_score_adj)


def resources(host: Resources, facts: HostFacts) -> dict[str, Any]:
    """linux.resources without devices."""
    found: dict[str, Any] = {}
    memory = _without_none(
        limit=host.Memory or None,
        reservation=host.MemoryReservation or None,
        swap=host.MemorySwap or None,
        swappiness=None if host.MemorySwappiness in {None, -1} else host.MemorySwappiness,
    )
    if host.OomKillDisable and facts.cgroup_version == "1":
        memory["disableOOMKiller"] = True
    if facts.cgroup_version == "2":
        memory.pop("swappiness", None)
    if memory:
        found["memory"] = memory
    if cpu := _cpu(host):
        found["cpu"] = cpu
    if host.PidsLimit is not None and host.PidsLimit != 0:
        found["pids"] = {"limit": host.PidsLimit}
    if block := _block_io(host):
        found["blockIO"] = block
    return found


def _cpu(host: Resources) -> dict[str, Any]:
    quota, period = host.CpuQuota or None, host.CpuPeriod or None
    if host.NanoCpus > 0:
        period = CPU_PERIOD_US
        quota = host.NanoCpus * period // 1_000_000_000
    return _without_none(
        shares=host.CpuShares or None,
        quota=quota,
        period=period,
        cpus=host.CpusetCpus or None,
        mems=host.CpusetMems or None,
        realtimePeriod=host.CpuRealtimePeriod or None,
        realtimeRuntime=host.CpuRealtimeRuntime or None,
    )


def _block_io(host: Resources) -> dict[str, Any]:
    """Device paths stay in; devices.py turns them into numbers."""
    return _without_none(weight=host.BlkioWeight or None)


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
