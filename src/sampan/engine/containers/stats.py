"""`docker stats`: what a container uses, once or every second.

Numbers come from the control group and from the network namespace's interface counters. A container
that isn't running has zeros, as with Docker.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sampan.engine.containers.live import LiveContainers
from sampan.engine.containers.record import Container
from sampan.engine.containers.registry import ContainerRegistry
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.linux.cgroup_stats import GroupStats, IoEntry, read_stats
from sampan.linux.cgroups import CgroupLayout
from sampan.wire.stats import (
    BlkioEntry,
    BlkioStats,
    ContainerStats,
    CpuStats,
    CpuUsage,
    MemoryStats,
    NetworkStats,
    PidsStats,
    ThrottlingData,
)

PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class _Sample:
    read_ns: int
    cpu: CpuStats
    rest: ContainerStats


class Stats:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        layout: CgroupLayout,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._live = live
        self._layout = layout
        self._workers = workers

    def stream(
        self, text: str, *, follow: bool, one_shot: bool = False
    ) -> AsyncIterator[ContainerStats]:
        """One object (after a second of measuring, unless `one_shot`) or one a second.

        Raises NoSuchContainer at once.
        """
        container = self._registry.get(text)
        return self._samples(container, follow=follow, one_shot=one_shot)

    async def _samples(
        self, container: Container, *, follow: bool, one_shot: bool
    ) -> AsyncIterator[ContainerStats]:
        before: _Sample | None = None
        if not one_shot and not follow and container.state.running:
            before = await self._workers.run(self._sample, container)
            await asyncio.sleep(PERIOD_S)
        while True:
            found = self._registry.find(container.id)
            if found is None:
                return
            sample = await self._workers.run(self._sample, found)
            yield _joined(found, before, sample)
            if not follow:
                return
            before = sample
            await asyncio.sleep(PERIOD_S)

    def _sample(self, container: Container) -> _Sample:
        now = gotime.now_ns()
        task = self._live.find_task(container.id)
        if task is None or not container.state.pid:
            nothing = ContainerStats(read=gotime.ZERO, preread=gotime.ZERO)
            return _Sample(0, CpuStats(), nothing)
        try:
            used = read_stats(self._layout, task.spec.cgroup_path)
            networks = interface_counters(container.state.pid)
        except OSError:  # it is just ending
            return _Sample(0, CpuStats(), ContainerStats(read=gotime.ZERO, preread=gotime.ZERO))
        rest = ContainerStats(
            read="",
            preread="",
            pids_stats=PidsStats(current=used.pids, limit=used.pids_limit),
            blkio_stats=BlkioStats(
                io_service_bytes_recursive=_io(used.io_bytes),
                io_serviced_recursive=_io(used.io_operations),
            ),
            memory_stats=MemoryStats(
                usage=used.memory.usage_bytes,
                max_usage=used.memory.max_usage_bytes,
                stats=used.memory.details,
                failcnt=used.memory.failures,
                limit=used.memory.limit_bytes or _memory_total_bytes(),
            ),
            networks=networks,
        )
        return _Sample(now, _cpu(used), rest)


def _joined(container: Container, before: _Sample | None, sample: _Sample) -> ContainerStats:
    rest = sample.rest
    return ContainerStats(
        read=gotime.format_ns(sample.read_ns),
        preread=gotime.format_ns(before.read_ns if before else 0),
        pids_stats=rest.pids_stats,
        blkio_stats=rest.blkio_stats,
        cpu_stats=sample.cpu,
        precpu_stats=before.cpu if before else CpuStats(),
        memory_stats=rest.memory_stats,
        name=f"/{container.name}",
        id=container.id,
        networks=rest.networks,
    )


def _cpu(used: GroupStats) -> CpuStats:
    return CpuStats(
        cpu_usage=CpuUsage(
            total_usage=used.cpu.total_ns,
            percpu_usage=list(used.cpu.per_cpu_ns) or None,
            usage_in_kernelmode=used.cpu.kernel_ns,
            usage_in_usermode=used.cpu.user_ns,
        ),
        system_cpu_usage=_machine_cpu_ns(),
        online_cpus=os.cpu_count() or 1,
        throttling_data=ThrottlingData(
            periods=used.cpu.periods,
            throttled_periods=used.cpu.throttled_periods,
            throttled_time=used.cpu.throttled_ns,
        ),
    )


def _io(entries: tuple[IoEntry, ...]) -> list[BlkioEntry] | None:
    return [
        BlkioEntry(major=one.major, minor=one.minor, op=one.operation.lower(), value=one.value)
        for one in entries
    ] or None


def _machine_cpu_ns() -> int:
    """The first seven columns of the `cpu` row of /proc/stat (proc(5)), as Docker adds them."""
    with Path("/proc/stat").open() as lines:
        ticks = sum(map(int, lines.readline().split()[1:8]))
    return ticks * gotime.NANOS // os.sysconf("SC_CLK_TCK")


def _memory_total_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def interface_counters(pid: int) -> dict[str, NetworkStats]:
    """Counters by interface of the process's network namespace, without loopback (proc(5))."""
    found = {}
    for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]:
        name, _, columns = line.partition(":")
        numbers = [int(word) for word in columns.split()]
        if name.strip() != "lo":
            found[name.strip()] = NetworkStats(
                rx_bytes=numbers[0],
                rx_packets=numbers[1],
                rx_errors=numbers[2],
                rx_dropped=numbers[3],
                tx_bytes=numbers[8],
                tx_packets=numbers[9],
                tx_errors=numbers[10],
                tx_dropped=numbers[11],
            )
    return found
