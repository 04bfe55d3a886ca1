"""Volumes that containers bring along: whose they are, and what `kill -9` leaves of them."""

import http.client
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Iterator

import pytest

from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

MANY = 6000  # files that a volume is filled with: time to be killed in


@pytest.fixture
def engine(file_engine: Engine) -> Iterator[Engine]:
    yield file_engine
    names = file_engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        file_engine.docker("rm", "-f", "-v", *names)
    file_engine.docker("volume", "prune", "-af")


def _volumes(engine: Engine) -> set[str]:
    on_disk = {path.name for path in (engine.home / "data" / "volumes").iterdir()}
    listed = set(engine.docker("volume", "ls", "-q").stdout.split())
    assert on_disk == listed
    return listed


def _full_image() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for number in range(MANY):
            out.addfile(tarfile.TarInfo(f"full/{number}"))
    return buffer.getvalue()


def _post(engine: Engine, path: str, body: object) -> None:
    client = http.client.HTTPConnection("engine")
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.connect(str(engine.socket))
    headers = {"Content-Type": "application/json"}
    try:
        client.request("POST", path, json.dumps(body), headers)
        client.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass  # the daemon is killed meanwhile
    finally:
        client.close()


def test_a_creation_cut_short_leaves_no_volume(engine: Engine):
    engine.docker("volume", "create", "mine")
    users = engine.docker("volume", "create").stdout.strip()
    engine.docker(
        "import", "--change", "VOLUME /full", "--change", "CMD x", "-", "full", stdin=_full_image()
    )
    folder = engine.home / "data" / "volumes"
    thread = threading.Thread(
        target=_post, args=(engine, "/containers/create", {"Image": "full", "Cmd": ["x"]})
    )
    thread.start()
    deadline = time.monotonic() + 20
    while not any((path / "_data" / "0").exists() for path in folder.iterdir()):
        assert time.monotonic() < deadline
    engine.restart()
    thread.join()
    assert engine.docker("ps", "-aq").stdout == "", "the daemon was killed too late"
    assert _volumes(engine) == {"mine", users}


def test_what_rm_leaves_to_the_user_stays(engine: Engine):
    def run(*options: str) -> tuple[str, set[str]]:
        before = _volumes(engine)
        made = engine.docker("create", *options, "busybox", "true").stdout.strip()
        return made, _volumes(engine) - before

    first, kept = run("-v", "/a")
    second, gone = run("-v", "/b")
    _, living = run("-v", "/c")
    third, shared = run("-v", "/d", "--name", "giver")
    run("--volumes-from", "giver")
    engine.docker("rm", first)
    engine.docker("rm", "-v", second)
    engine.docker("rm", "-v", third)
    assert len(kept) == len(gone) == len(living) == len(shared) == 1
    assert _volumes(engine) == kept | living | shared
    engine.restart()
    assert _volumes(engine) == kept | living | shared
