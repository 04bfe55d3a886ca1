"""Three managers and a worker, for all tests of this folder; they take away what they make.

The last test of the last file makes workers of two managers, and managers of them again.
"""

from collections.abc import Iterator

import pytest

from integration.swarm.faults import Swarm
from integration.swarm.lab import Lab


@pytest.fixture(scope="package")
def swarm() -> Iterator[Swarm]:
    with Lab(4) as lab:
        yield Swarm.form(lab, managers=3)
