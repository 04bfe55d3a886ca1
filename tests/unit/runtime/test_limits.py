import pytest

from sampan.errors import InvalidArgument
from sampan.runtime import limits
from sampan.runtime.facts import CAPABILITIES, HostFacts
from sampan.runtime.spec_builder import defaults
from sampan.wire.containers import HostSettings, Ulimit

FACTS = HostFacts(cpu_count=2, cgroup_version="1")
WEAK = HostFacts(
    capabilities=frozenset(CAPABILITIES) - {"CAP_SYS_RESOURCE"},
    hard_limits={"RLIMIT_NOFILE": 1000},
    oom_score_adj=100,
)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        (HostSettings(Memory=1024), "Minimum memory limit allowed is 6MB"),
        (HostSettings(MemorySwap=10 << 20), "You should always set the Memory limit"),
        (HostSettings(Memory=10 << 20, MemorySwap=9 << 20), "Minimum memoryswap limit"),
        (HostSettings(Memory=10 << 20, MemoryReservation=11 << 20), "memory reservation limit"),
        (HostSettings(MemorySwappiness=101), "valid memory swappiness range is 0-100"),
        (
            HostSettings(NanoCpus=3_000_000_000),
            "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (HostSettings(NanoCpus=1, CpuPeriod=5000), "Conflicting options: Nano CPUs and CPU Period"),
        (HostSettings(CpusetCpus="0-5"), "Requested CPUs are not available - requested 0-5"),
        (HostSettings(CpusetCpus="x"), "Invalid value x for cpuset cpus"),
        (HostSettings(CpuPeriod=10), "CPU cfs period can not be less than 1ms"),
        (HostSettings(BlkioWeight=5), "Range of blkio weight is from 10 to 1000"),
        (HostSettings(CapAdd=["NOSUCH"]), 'invalid CapAdd: unknown capability: "CAP_NOSUCH"'),
        (HostSettings(CapDrop=["NOSUCH"]), 'invalid CapDrop: unknown capability: "CAP_NOSUCH"'),
        (HostSettings(Ulimits=[Ulimit(Name="x", Soft=1, Hard=1)]), "invalid ulimit type: x"),
        (HostSettings(Ulimits=[Ulimit(Name="nofile", Soft=2, Hard=1)]), "ulimit soft limit must"),
        (HostSettings(DeviceCgroupRules=["c 1"]), "invalid device cgroup rule format: 'c 1'"),
        (HostSettings(ShmSize=-1), "SHM size can not be less than 0"),
    ],
)
def test_impossible_limits_are_refused_in_dockers_words(host, text):
    with pytest.raises(InvalidArgument) as failure:
        limits.check(host, FACTS)
    assert text in failure.value.message


def test_possible_limits_pass():
    host = HostSettings(Memory=64 << 20, MemorySwap=-1, NanoCpus=2_000_000_000, PidsLimit=-1)
    assert limits.check(host, FACTS) == []


def test_disabling_the_oom_killer_warns():
    assert "no memory limit" in limits.check(HostSettings(OomKillDisable=True), FACTS)[0]


def test_swap_is_twice_the_memory_unless_given():
    assert limits.with_defaults(HostSettings(Memory=10 << 20)).MemorySwap == 20 << 20
    assert limits.with_defaults(HostSettings(Memory=10 << 20, MemorySwap=-1)).MemorySwap == -1


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HostSettings(), 0xA80425FB),
        (HostSettings(CapDrop=["ALL"]), 0),
        (HostSettings(CapDrop=["ALL"], CapAdd=["CHOWN"]), 1),
        (HostSettings(CapAdd=["sys_admin"]), 0xA82425FB),
        (HostSettings(CapDrop=["CAP_CHOWN"]), 0xA80425FA),
        (HostSettings(CapAdd=["ALL"]), (1 << len(CAPABILITIES)) - 1),
        (HostSettings(CapAdd=["ALL"], CapDrop=["CHOWN"]), (1 << len(CAPABILITIES)) - 2),
        (HostSettings(Privileged=True), (1 << len(CAPABILITIES)) - 1),
    ],
)
def test_capability_sets_are_dockers(host, expected):
    names = limits.capabilities(host, FACTS, defaults()["capabilities"])
    assert sum(1 << CAPABILITIES.index(name) for name in names) == expected


def test_nobody_gets_a_capability_that_the_daemon_lacks():
    assert "CAP_SYS_RESOURCE" not in limits.capabilities(HostSettings(Privileged=True), WEAK)


def test_rlimits_are_cut_to_what_can_be_given():
    asked = [Ulimit(Name="nofile", Soft=500, Hard=5000), Ulimit(Name="core", Soft=-1, Hard=-1)]
    unlimited = 2**64 - 1
    assert limits.rlimits(asked, WEAK) == [
        {"type": "RLIMIT_NOFILE", "soft": 500, "hard": 1000},
        {"type": "RLIMIT_CORE", "soft": unlimited, "hard": unlimited},
    ]
    assert limits.rlimits(asked[:1], FACTS)[0]["hard"] == 5000


def test_oom_score_is_not_lowered_without_the_right():
    assert limits.oom_score_adj(HostSettings(OomScoreAdj=-5), WEAK) == 100
    assert limits.oom_score_adj(HostSettings(OomScoreAdj=500), WEAK) == 500
    assert limits.oom_score_adj(HostSettings(OomScoreAdj=-5), FACTS) == -5


def test_cpus_become_quota_and_period():
    found = limits.resources(HostSettings(NanoCpus=500_000_000, CpuShares=512), FACTS)
    assert found == {"cpu": {"shares": 512, "quota": 50_000, "period": 100_000}}


def test_no_limits_make_an_empty_object():
    assert limits.resources(HostSettings(), FACTS) == {}
