"""Limits, statistics and devices of running containers, in the cgroup version of the machine."""

from pathlib import Path

import pytest

from integration.runtime.conftest import collect
from sampan.linux.cgroup_stats import read_stats
from sampan.linux.cgroups import Limits, own_procs_file, rejoin
from sampan.wire.containers import HostSettings, Ulimit
from sampan.wire.stdcopy import Demultiplexer

pytestmark = pytest.mark.integration


def play(bench, run, script, host=None):
    """Output and status of a shell script in a container."""
    found = []

    async def scenario(service):
        task = await service.create(bench.spec("sh", "-c", script, host=host))
        read = await collect(task)
        await task.launch()
        data = b"".join(part for _, part in Demultiplexer().feed(await read()))
        found.append((data.decode(), (await task.wait()).code))
        await task.delete()

    run(scenario)
    return found[0]


def test_statistics_and_update_of_a_living_group(bench, run):
    async def scenario(service):
        host = HostSettings(Memory=64 << 20, MemorySwap=128 << 20, PidsLimit=50)
        spec = bench.spec("sleep", "60", host=host)
        task = await service.create(spec)
        await task.launch()
        stats = read_stats(bench.layout, spec.cgroup_path)
        assert stats.memory.limit_bytes == 64 << 20
        assert stats.memory.usage_bytes > 0
        assert (stats.pids, stats.pids_limit) == (1, 50)
        assert stats.cpu.total_ns > 0
        assert bench.layout.processes(spec.cgroup_path) == [task.pid]
        for memory, swap in ((256 << 20, 300 << 20), (32 << 20, 40 << 20)):
            wanted = Limits(memory_bytes=memory, memory_swap_bytes=swap, pids=20, cpu_shares=256)
            bench.layout.update(spec.cgroup_path, wanted)
            stats = read_stats(bench.layout, spec.cgroup_path)
            assert (stats.memory.limit_bytes, stats.pids_limit) == (memory, 20)
        await task.kill(9)
        await task.wait()
        await task.delete()

    run(scenario)


def test_process_limit_stops_forks(bench, run):
    script = "for i in 1 2 3 4 5 6; do sleep 1 & done; wait"
    text, code = play(bench, run, script, HostSettings(PidsLimit=4))
    assert "fork" in text
    assert code == 2


def test_ulimits_are_set(bench, run):
    host = HostSettings(Ulimits=[Ulimit(Name="nofile", Soft=123, Hard=456)])
    assert play(bench, run, "ulimit -Sn; ulimit -Hn", host) == ("123\n456\n", 0)


def test_default_devices_work_and_others_are_denied(bench, run):
    script = (
        "head -c 4 /dev/urandom | wc -c; echo x > /dev/null; echo x > /dev/full; "
        "mknod /dev/disk b 254 0 && head -c 1 /dev/disk"
    )
    text, code = play(bench, run, script)
    assert "4" in text.split()  # two streams have no order
    assert "No space left" in text
    assert "Operation not permitted" in text
    assert code == 1


def test_no_new_privileges_and_unconfined_roots(bench, run):
    host = HostSettings(SecurityOpt=["no-new-privileges"])
    text, _ = play(bench, run, "grep NoNewPrivs /proc/self/status", host)
    assert text.split()[-1] == "1"


def test_a_read_only_root_with_masked_paths(bench, run):
    text, _ = play(
        bench, run, "touch /x; cat /proc/timer_list | wc -c", HostSettings(ReadonlyRootfs=True)
    )
    assert "Read-only file system" in text
    assert text.split()[-1] == "0"


def test_rejoining_the_own_group_changes_nothing(layout):
    before = Path("/proc/self/cgroup").read_text()
    procs_file = own_procs_file(layout)
    assert procs_file is not None
    rejoin(procs_file)
    assert Path("/proc/self/cgroup").read_text() == before
