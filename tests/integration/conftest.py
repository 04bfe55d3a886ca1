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
    engine.check_nothing_is_left()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    yield from _engine_for_a_while()


@pytest.fixture(scope="module")
def file_engine() -> Iterator[Engine]:
    """One for the tests of a file, which may kill it but leave it running."""
    yield from _engine_for_a_while()


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """A daemon of this test's own, for tests that kill or restart it."""
    yield from _engine_for_a_while()
