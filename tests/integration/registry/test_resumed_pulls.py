"""A pull that was broken off at 90 % fetches little more than the rest, whoever died."""

import os
import signal
import subprocess
import threading
import time

import pytest

from integration.harness import SAMPAN, Engine
from integration.scripted_registry import ScriptedRegistry, layer_tar

pytestmark = pytest.mark.integration

SIZE = 20 << 20
MOST = 0.12  # of a layer may be fetched again, its last tenth included


class Stalled:
    """A registry with an image of one large layer, whose first answer stops at 90 %."""

    def __init__(self, registry: ScriptedRegistry) -> None:
        self.registry = registry
        self.image = registry.add("big/one", layer_tar({"big": os.urandom(SIZE)}))
        (self.digest,) = registry.layers_of("big/one")
        self.size = len(registry.blobs[self.digest])
        self.stopped = threading.Event()
        registry.ranges = True
        registry.faults[self.digest] = self._stop

    def _stop(self, handler, blob):
        """Send nine tenths and wait until the client is gone."""
        handler.begin(len(blob), digest=self.digest)
        handler.send_part(self.digest, blob[: len(blob) * 9 // 10])
        self.stopped.set()
        handler.connection.settimeout(20)
        handler.connection.recv(1)
        handler.close_connection = True

    def mend(self):
        del self.registry.faults[self.digest]
        self.registry.sent.clear()

    def refetched(self):
        return self.registry.sent[self.digest] / self.size


@pytest.fixture
def stalled():
    with ScriptedRegistry() as registry:
        yield Stalled(registry)


def start_pull(engine: Engine, image: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [SAMPAN, "-H", engine.host, "pull", image],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def partial(engine: Engine):
    return list((engine.home / "data/content/partial").iterdir())


def wait_for_partial(engine: Engine, size: int) -> None:
    deadline = time.monotonic() + 20
    while not any(path.stat().st_size >= size for path in partial(engine)):
        assert time.monotonic() < deadline, "what was sent doesn't get to the disk"
        time.sleep(0.02)


@pytest.mark.parametrize("victim", ["daemon", "client", "stopped daemon"])
def test_what_was_fetched_isnt_fetched_again(file_engine, stalled, victim):
    client = start_pull(file_engine, stalled.image)
    assert stalled.stopped.wait(20)
    wait_for_partial(file_engine, stalled.size * 9 // 10)
    if victim == "client":
        client.kill()
    else:
        file_engine.restart(signal.SIGKILL if victim == "daemon" else signal.SIGTERM)
    client.wait(20)
    stalled.mend()
    file_engine.docker("pull", stalled.image)
    assert 0 < stalled.refetched() <= MOST
    assert partial(file_engine) == []
    file_engine.docker("rmi", stalled.image)


def test_a_registry_without_ranges_starts_over(file_engine, stalled):
    stalled.registry.ranges = False
    client = start_pull(file_engine, stalled.image)
    assert stalled.stopped.wait(20)
    wait_for_partial(file_engine, stalled.size * 9 // 10)
    client.kill()
    client.wait(20)
    stalled.mend()
    file_engine.docker("pull", stalled.image)
    assert stalled.refetched() == 1
    file_engine.docker("rmi", stalled.image)


@pytest.mark.parametrize("damage", ["flipped", "longer", "all of it"])
def test_a_damaged_partial_download_is_thrown_away(file_engine, stalled, damage):
    client = start_pull(file_engine, stalled.image)
    assert stalled.stopped.wait(20)
    wait_for_partial(file_engine, stalled.size * 9 // 10)
    file_engine.stop(signal.SIGKILL)
    client.wait(20)
    (path,) = partial(file_engine)
    with path.open("r+b") as file:
        if damage == "flipped":
            file.seek(1 << 20)
            file.write(b"\0" * 64)
        elif damage == "longer":
            file.truncate(stalled.size + 1)
        else:
            file.write(b"\0" * stalled.size)
    file_engine.start()
    stalled.mend()
    file_engine.docker("pull", stalled.image)
    assert stalled.refetched() <= 1 + MOST
    assert partial(file_engine) == []
    file_engine.docker("rmi", stalled.image)
