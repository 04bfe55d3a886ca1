import pytest

from sampan.linux.cgroups import (
    CgroupLayout,
    Limits,
    Version,
    shares_to_weight,
    v1_settings,
    v2_settings,
)

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
34 99 0:28 /docker /elsewhere/memory rw - cgroup cgroup rw,memory
"""
HYBRID = V1 + "40 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("text", "version", "docker"),
    [(V2, Version.V2, "2"), (V1, Version.V1, "1"), (HYBRID, Version.HYBRID, "1")],
)
def test_the_version_is_seen_from_the_mounts(text, version, docker):
    layout = CgroupLayout.detect(text)
    assert layout.version is version
    assert layout.docker_version == docker


def test_joint_controllers_share_a_folder():
    layout = CgroupLayout.detect(HYBRID)
    assert str(layout.folder("/a/b", "cpuacct")) == "/sys/fs/cgroup/cpu,cpuacct/a/b"
    assert str(layout.folder("/a/b", "memory")) == "/sys/fs/cgroup/memory/a/b"
    assert layout.folder("/a/b", "pids") is None
    assert [str(path) for path in layout.folders("/a")] == [
        "/sys/fs/cgroup/cpu,cpuacct/a",
        "/sys/fs/cgroup/memory/a",
        "/sys/fs/cgroup/systemd/a",
        "/sys/fs/cgroup/unified/a",
    ]


def test_oom_kills_are_counted_in_different_files():
    assert str(CgroupLayout.detect(V1).oom_file("/a")).endswith("memory/a/memory.oom_control")
    assert str(CgroupLayout.detect(V2).oom_file("/a")) == "/sys/fs/cgroup/a/memory.events"


def test_version_two_counts_swap_alone():
    limits = Limits(memory_bytes=100, memory_swap_bytes=250, cpu_quota_us=-1, pids=-1)
    assert v2_settings(limits) == {
        "memory.max": "100",
        "memory.swap.max": "150",
        "cpu.max": "max 100000",
        "pids.max": "max",
    }
    assert v2_settings(Limits(memory_bytes=-1, memory_swap_bytes=-1)) == {
        "memory.max": "max",
        "memory.swap.max": "max",
    }


def test_version_one_takes_them_as_they_are():
    limits = Limits(memory_bytes=100, memory_swap_bytes=250, cpu_shares=5, cpuset_cpus="0")
    assert v1_settings(limits) == {
        "memory.limit_in_bytes": "100",
        "memory.memsw.limit_in_bytes": "250",
        "cpu.shares": "5",
        "cpuset.cpus": "0",
    }


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000)])
def test_shares_become_weights(shares, weight):
    assert shares_to_weight(shares) == weight
