"""A private PostgreSQL for a file of tests, and hubs as processes."""

import pytest

from integration.hub.hubs import Hub
from integration.hub.postgresql import Postgresql, find_programs


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    if find_programs() is None:
        pytest.skip("PostgreSQL isn't installed")
    server = Postgresql()
    try:
        server.start()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def hub(tmp_path):
    """Open to everybody; a test may kill it and start it again."""
    found = Hub(tmp_path)
    try:
        found.start()
        yield found
    finally:
        found.stop()
