"""The rounds of `scripts/reliability`, reduced: few kills, cuts and execs of each kind."""

import pytest

from integration.reliability.full_disk import fills
from integration.reliability.hub_load import hub_load
from integration.reliability.kills import kills
from integration.reliability.masses import masses
from integration.reliability.power_cut import cuts, possible

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_a_daemon_killed_under_load_loses_nothing():
    assert kills(10, containers=10).faults == []


def test_a_disk_that_fills_up_at_any_write_needs_no_repair():
    assert fills(2).faults == []


@pytest.mark.skipif(not possible(), reason="no loop devices or no mkfs.ext4 here")
def test_what_was_promised_outlives_a_power_cut():
    assert cuts(2).faults == []


def test_many_containers_and_execs_leave_nothing_behind():
    assert masses(containers=20, execs=200).faults == []


def test_a_hub_under_load_with_collections_loses_nothing():
    assert hub_load(clients=8, seconds=5, seed=1).faults == []
