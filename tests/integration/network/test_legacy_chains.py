"""The kernel's older filter, in a network namespace of its own: the host's stays as it is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.linux import namespaces
from sampan.network.legacy_chains import LegacyChains

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("iptables-legacy"), reason="iptables-legacy isn't installed"
    ),
]


@pytest.fixture
def private(tmp_path):
    path = tmp_path / "netns"
    namespaces.create_netns(path, lambda: None)
    with namespaces.entered_path(path):
        yield
    namespaces.remove_netns(path)


def tool(*words, name="iptables-legacy"):
    done = subprocess.run([name, *words], capture_output=True, text=True, check=True)
    return [row for row in done.stdout.splitlines() if "sampan:" in row]


def loaded():
    return "filter" in Path("/proc/thread-self/net/ip_tables_names").read_text()


def test_a_filter_that_nobody_loaded_is_not_touched(private):
    LegacyChains("t").open_for(["br0"], six=True)
    assert not loaded()


def test_rules_stand_while_the_policy_is_drop(private):
    chains = LegacyChains("t")
    tool("-S")
    chains.open_for(["br0"], six=False)
    assert tool("-S") == []
    tool("-P", "FORWARD", "DROP")
    for _ in range(2):
        chains.open_for(["br0", "br1"], six=False)
        assert len(tool("-S", "FORWARD")) == 4
    chains.open_for(["br1"], six=False)
    assert tool("-S", "FORWARD") == [
        f'-A FORWARD {way} br1 -m comment --comment "sampan:t" -j ACCEPT' for way in ("-o", "-i")
    ]
    chains.open_for([], six=False)
    assert tool("-S") == []


def test_users_chain_of_docker_is_preferred_and_other_rules_stay(private):
    tool("-P", "FORWARD", "DROP")
    tool("-N", "DOCKER-USER")
    tool("-A", "DOCKER-USER", "-i", "x", "-m", "comment", "--comment", "sampan:other", "-j", "DROP")
    LegacyChains("t").open_for(["br0"], six=False)
    assert len(tool("-S", "DOCKER-USER")) == 3
    assert tool("-S", "FORWARD") == []
    LegacyChains("t").open_for([], six=False)
    assert len(tool("-S", "DOCKER-USER")) == 1


def test_ipv6_only_when_it_is_wanted(private):
    six = "ip6tables-legacy"
    tool("-P", "FORWARD", "DROP", name=six)
    LegacyChains("t").open_for(["br0"], six=False)
    assert tool("-S", name=six) == []
    LegacyChains("t").open_for(["br0"], six=True)
    assert len(tool("-S", name=six)) == 2
