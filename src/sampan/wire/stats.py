"""Container statistics on the wire (Engine API v1.51: ContainerStatsResponse). Times in ns."""

from typing import ClassVar

from sampan.wire.codec import Wire


class PidsStats(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"current", "limit"})
    current: int = 0
    limit: int = 0


class BlkioEntry(Wire, frozen=True, kw_only=True):
    major: int
    minor: int
    op: str
    value: int


class BlkioStats(Wire, frozen=True, kw_only=True):
    io_service_bytes_recursive: list[BlkioEntry] | None = None
    io_serviced_recursive: list[BlkioEntry] | None = None
    io_queue_recursive: list[BlkioEntry] | None = None
    io_service_time_recursive: list[BlkioEntry] | None = None
    io_wait_time_recursive: list[BlkioEntry] | None = None
    io_merged_recursive: list[BlkioEntry] | None = None
    io_time_recursive: list[BlkioEntry] | None = None
    sectors_recursive: list[BlkioEntry] | None = None


class CpuUsage(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"percpu_usage"})
    total_usage: int = 0
    percpu_usage: list[int] | None = None
    usage_in_kernelmode: int = 0
    usage_in_usermode: int = 0


class ThrottlingData(Wire, frozen=True, kw_only=True):
    periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0


class CpuStats(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"system_cpu_usage", "online_cpus"})
    cpu_usage: CpuUsage = CpuUsage()
    system_cpu_usage: int = 0
    online_cpus: int = 0
    throttling_data: ThrottlingData = ThrottlingData()


class MemoryStats(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"usage", "max_usage", "stats", "failcnt", "limit"}
    )
    usage: int = 0
    max_usage: int = 0
    stats: dict[str, int] | None = None
    failcnt: int = 0
    limit: int = 0


class NetworkStats(Wire, frozen=True, kw_only=True):
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


class ContainerStats(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"networks"})
    read: str
    preread: str
    pids_stats: PidsStats = PidsStats()
    blkio_stats: BlkioStats = BlkioStats()
    num_procs: int = 0
    storage_stats: dict[str, int] = {}
    cpu_stats: CpuStats = CpuStats()
    precpu_stats: CpuStats = CpuStats()
    memory_stats: MemoryStats = MemoryStats()
    name: str = ""
    id: str = ""
    networks: dict[str, NetworkStats] | None = None
