"""A manager and two workers, for all tests of this folder; they take away what they make.

The last test of the last file takes a node away.
"""

from collections.abc import Iterator

import pytest

from integration.swarm.faults import Swarm
from integration.swarm.lab import Lab


@pytest.fixture(scope="package")
def swarm() -> Iterator[Swarm]:
    with Lab(3) as lab:
        made = Swarm.form(lab, managers=1)
        made.nodes[0].docker("swarm", "update", "--dispatcher-heartbeat", "1s")
        yield made
