"""An `up` that is killed while it replaces a container: the next command puts things right.

The client is killed by whoever carries its requests, at one request of its own or another:

    create the interim container -> stop the old one -> remove it -> rename the new one -> start
"""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from integration.harness import SAMPAN

from .conftest import NAME, REAL, ComposeProject

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

FILE = """
services:
  web:
    image: busybox
    init: true
    command: sleep 600
    environment: {{V: "{0}"}}
    volumes: [/kept]
"""
MOMENTS = {
    "before the stop": rb"POST [^ ]*/containers/[0-9a-f]{64}/stop",
    "before the removal": rb"DELETE [^ ]*/containers/",
    "before the rename": rb"POST [^ ]*/rename",
    "before the start": rb"POST [^ ]*/containers/[0-9a-f]{64}/start",
}
PROGRAMS = {"sampan": [str(SAMPAN), "compose"], "docker compose": [str(REAL)]}


class Carrier:
    """Passes requests on to the engine, until one fits: its client dies, the request is lost."""

    def __init__(self, path: str, engine: str, fatal: bytes) -> None:
        self._engine = engine
        self._fatal = re.compile(fatal)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        self.victim = 0
        self.killed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self._fatal.match(data):
                    os.kill(self.victim, signal.SIGKILL)
                    self.killed.set()
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        target.close()


@pytest.fixture(params=PROGRAMS)
def program(request) -> list[str]:
    found = PROGRAMS[request.param]
    assert os.access(found[0], os.X_OK), f"no {found[0]}: run scripts/setup --tests"
    return found


@pytest.fixture(params=MOMENTS)
def broken(request, project: ComposeProject, program, tmp_path) -> Iterator[ComposeProject]:
    """A project whose second `up` was killed."""
    project.write(FILE.format(1))
    project.run("up", "-d")
    project.engine.docker("exec", f"{NAME}-web-1", "touch", "/kept/here")
    project.write(FILE.format(2))
    path = str(tmp_path / "c.sock")
    with closing(Carrier(path, str(project.engine.socket), MOMENTS[request.param])) as carrier:
        client = subprocess.Popen(
            [*program, "up", "-d", "-t", "0"],
            cwd=project.folder,
            env={**project.environment, "DOCKER_HOST": f"unix://{path}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        carrier.victim = client.pid
        out, _ = client.communicate(timeout=60)
        assert carrier.killed.is_set(), out
        assert client.returncode == -signal.SIGKILL
    yield project
    # As with Docker, a volume that went from one container to the next isn't anonymous any more
    # for the second, so that `down -v` leaves it.
    project.run("down", "-t", "0")
    project.engine.docker("volume", "prune", "-f")


def containers(project: ComposeProject) -> list[dict[str, object]]:
    found = project.engine.docker("ps", "-a", "--format", "{{json .}}").stdout
    return [json.loads(line) for line in found.splitlines()]


def test_the_next_up_ends_what_was_begun(broken: ComposeProject, program):
    """Begun by either program, ended by ours: one container, running, with its anonymous volume."""
    broken.run("up", "-d", "-t", "0")
    (left,) = containers(broken)
    assert (left["Names"], left["State"]) == (f"{NAME}-web-1", "running")
    inside = broken.engine.docker("exec", f"{NAME}-web-1", "sh", "-c", "echo $V; ls /kept")
    assert inside.stdout.split() == ["2", "here"]
    again = broken.run("up", "-d")
    assert "Recreate" not in again.stderr


@pytest.mark.parametrize("program", ["docker compose"], indirect=True)
def test_down_takes_all_that_is_left(broken: ComposeProject, program):
    broken.run("down", "-t", "0")
    assert containers(broken) == []
    assert broken.engine.docker("network", "ls", "-q", "-f", f"name={NAME}").stdout == ""
