"""One private daemon for the whole session; at its end nothing of it may be left."""

from collections.abc import Iterator

import pytest

from integration.harness import Engine, kernel_objects, leftovers


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    before = kernel_objects()
    engine = Engine()
    engine.start()
    engine.import_busybox()
    yield engine
    engine.destroy()
    left = leftovers(engine.home) + sorted(kernel_objects() - before)
    assert not left, f"left behind: {left}"


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """A daemon of this test's own, for tests that kill or restart it."""
    before = kernel_objects()
    engine = Engine()
    engine.start()
    engine.import_busybox()
    yield engine
    engine.destroy()
    left = leftovers(engine.home) + sorted(kernel_objects() - before)
    assert not left, f"left behind: {left}"
