"""The public registries' stand-in, empty machines that use it, and the table at the end.

public (session)   a hub with all base images      cli (module)  docker, then sampan
machine (module)   an engine of that story's own   client        that client at that machine
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from acceptance.client import Client
from acceptance.public import Public
from acceptance.summary import Summary
from acceptance.table import CLIENTS
from integration.harness import Engine

MEMORY = Path("/dev/shm")
ROOM_BYTES = 10 << 30


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Summary(), "acceptance-summary")


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    hub = Public(tmp_path_factory.mktemp("public"))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module", params=CLIENTS)
def cli(request: pytest.FixtureRequest) -> str:
    """Every test of a story runs once with each."""
    return str(request.param)


def _quick_folder() -> Path | None:
    """Memory, where there is plenty: a machine keeps two or three gigabytes in 100,000 files."""
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > ROOM_BYTES and _available_bytes() > ROOM_BYTES:
            return MEMORY
    return None


def _available_bytes() -> int:
    found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _machine(public: Public) -> Iterator[Engine]:
    engine = Engine(*public.options(), folder=_quick_folder())
    engine.start()
    try:
        yield engine
    finally:
        engine.destroy()
    engine.check_nothing_is_left()


@pytest.fixture(scope="module")
def machine(public: Public, cli: str) -> Iterator[Engine]:
    """Empty at the start: base images are pulled. Tests of a file find what earlier ones left."""
    yield from _machine(public)


@pytest.fixture(scope="module")
def client(machine: Engine, cli: str) -> Client:
    return Client(cli, machine.host, machine.home / "user")


@pytest.fixture(scope="module")
def second_machine(public: Public, cli: str) -> Iterator[Engine]:
    yield from _machine(public)


@pytest.fixture(scope="session")
def equipped_engine(public: Public) -> Iterator[Engine]:
    """One for tests that bring their own clients."""
    yield from _machine(public)
