"""One private daemon for the whole session; at its end nothing of it may be left.

Tests that need their own, to kill it or to fill its disk, take `own_engine` or make an `Engine`.
"""

from collections.abc import Iterator

import pytest

from integration.harness import Engine


def _engine_for_a_while() -> Iterator[Engine]:
    engine = Engine()
    engine.start()
    engine.import_busybox()
    yield engine
    engine.destroy()
    left = engine.leftovers()
    assert not left, f"left behind: {left}"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    yield from _engine_for_a_while()


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """A daemon of this test's own, for tests that kill or restart it."""
    yield from _engine_for_a_while()
