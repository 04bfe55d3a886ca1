"""What a control group has used, read from either version into one shape.

Names and units are those of Docker's stats; a controller that isn't there leaves zeros. Reading a
group that is just going away raises FileNotFoundError or OSError (ENODEV).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sampan.linux.cgroups import CgroupLayout, Version

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuStats:
    total_ns: int = 0
    user_ns: int = 0
    kernel_ns: int = 0
    per_cpu_ns: tuple[int, ...] = ()  # version 1 only
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStats:
    usage_bytes: int = 0
    max_usage_bytes: int = 0
    limit_bytes: int = 0  # 0: none
    failures: int = 0
    details: dict[str, int] = field(default_factory=dict)  # memory.stat


@dataclass(frozen=True, slots=True)
class IoEntry:
    """One row of io_service_bytes_recursive or io_serviced_recursive."""

    major: int
    minor: int
    operation: str  # Read, Write, Sync, Async, Discard, Total
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStats:
    cpu: CpuStats
    memory: MemoryStats
    pids: int = 0
    pids_limit: int = 0  # 0: none
    io_bytes: tuple[IoEntry, ...] = ()
    io_operations: tuple[IoEntry, ...] = ()


def read_stats(layout: CgroupLayout, group: str) -> GroupStats:
    if layout.version is Version.V2:
        folder = layout.folder(group, "")
        assert folder is not None
        return GroupStats(
            cpu=_cpu_v2(folder),
            memory=_memory_v2(folder),
            pids=_number(folder / "pids.current"),
            pids_limit=_number(folder / "pids.max"),
            io_bytes=_io_v2(folder, {"rbytes": "Read", "wbytes": "Write"}),
            io_operations=_io_v2(folder, {"rios": "Read", "wios": "Write"}),
        )
    pids = layout.folder(group, "pids")
    blkio = layout.folder(group, "blkio")
    return GroupStats(
        cpu=_cpu_v1(layout, group),
        memory=_memory_v1(layout.folder(group, "memory")),
        pids=_number(pids / "pids.current") if pids else 0,
        pids_limit=_number(pids / "pids.max") if pids else 0,
        io_bytes=_io_v1(blkio, "io_service_bytes"),
        io_operations=_io_v1(blkio, "io_serviced"),
    )


def _number(path: Path) -> int:
    """The number in a file; 0 for "max" or no such file."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdecimal() else 0


def _rows(path: Path) -> dict[str, int]:
    try:
        rows = (row.split() for row in path.read_text().splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}
    except FileNotFoundError:
        return {}


def _cpu_v1(layout: CgroupLayout, group: str) -> CpuStats:
    account = layout.folder(group, "cpuacct")
    if account is None:
        return CpuStats()
    ticks = _rows(account / "cpuacct.stat")
    cpu = layout.folder(group, "cpu")
    throttling = _rows(cpu / "cpu.stat") if cpu else {}
    return CpuStats(
        total_ns=_number(account / "cpuacct.usage"),
        user_ns=ticks.get("user", 0) * _TICK_NS,
        kernel_ns=ticks.get("system", 0) * _TICK_NS,
        per_cpu_ns=tuple(map(int, (account / "cpuacct.usage_percpu").read_text().split())),
        periods=throttling.get("nr_periods", 0),
        throttled_periods=throttling.get("nr_throttled", 0),
        throttled_ns=throttling.get("throttled_time", 0),
    )


def _cpu_v2(folder: Path) -> CpuStats:
    rows = _rows(folder / "cpu.stat")
    return CpuStats(
        total_ns=rows.get("usage_usec", 0) * 1000,
        user_ns=rows.get("user_usec", 0) * 1000,
        kernel_ns=rows.get("system_usec", 0) * 1000,
        periods=rows.get("nr_periods", 0),
        throttled_periods=rows.get("nr_throttled", 0),
        throttled_ns=rows.get("throttled_usec", 0) * 1000,
    )


def _memory_v1(folder: Path | None) -> MemoryStats:
    if folder is None:
        return MemoryStats()
    limit = _number(folder / "memory.limit_in_bytes")
    return MemoryStats(
        usage_bytes=_number(folder / "memory.usage_in_bytes"),
        max_usage_bytes=_number(folder / "memory.max_usage_in_bytes"),
        limit_bytes=0 if limit >= 1 << 62 else limit,
        failures=_number(folder / "memory.failcnt"),
        details=_rows(folder / "memory.stat"),
    )


def _memory_v2(folder: Path) -> MemoryStats:
    return MemoryStats(
        usage_bytes=_number(folder / "memory.current"),
        max_usage_bytes=_number(folder / "memory.peak"),
        limit_bytes=_number(folder / "memory.max"),
        failures=_rows(folder / "memory.events").get("oom", 0),
        details=_rows(folder / "memory.stat"),
    )


def _io_v1(folder: Path | None, name: str) -> tuple[IoEntry, ...]:
    if folder is None:
        return ()
    for prefix in ("blkio.throttle.", "blkio."):
        path = folder / f"{prefix}{name}_recursive"
        if path.exists():
            return tuple(_io_rows(path.read_text()))
    return ()


def _io_rows(text: str) -> Iterator[IoEntry]:
    for line in text.splitlines():
        row = line.split()
        if len(row) == 3:  # the last one is the total over all devices
            major, _, minor = row[0].partition(":")
            yield IoEntry(int(major), int(minor), row[1], int(row[2]))


def _io_v2(folder: Path, wanted: dict[str, str]) -> tuple[IoEntry, ...]:
    try:
        lines = (folder / "io.stat").read_text().splitlines()
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found += [
            IoEntry(int(major), int(minor), operation, int(values[key]))
            for key, operation in wanted.items()
            if key in values
        ]
    return tuple(found)
