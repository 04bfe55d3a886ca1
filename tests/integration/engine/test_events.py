"""Every kind of event of an engine without swarm and plugins, caused and looked at."""

import http.client
import io
import json
import signal
import socket
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.harness import Engine
from integration.registry.registry_parts import Server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LABELLED = {"image", "name", "mine"}  # of every event of a container
DRIVER = {"driver"}
NETWORK = {"name", "type"}
RECLAIMED = {"reclaimed"}
EXPECTED: dict[tuple[str, str], set[str]] = {
    ("container", "create"): LABELLED,
    ("container", "start"): LABELLED,
    ("container", "attach"): LABELLED,
    ("container", "detach"): LABELLED,
    ("container", "resize"): LABELLED | {"height", "width"},
    ("container", "kill"): LABELLED | {"signal"},
    ("container", "die"): LABELLED | {"exitCode", "execDuration"},
    ("container", "oom"): LABELLED,
    ("container", "stop"): LABELLED,
    ("container", "restart"): LABELLED,
    ("container", "pause"): LABELLED,
    ("container", "unpause"): LABELLED,
    ("container", "update"): LABELLED,
    ("container", "rename"): LABELLED | {"oldName"},
    ("container", "destroy"): LABELLED,
    ("container", "commit"): LABELLED | {"comment", "imageID", "imageRef"},
    ("container", "archive-path"): LABELLED,
    ("container", "extract-to-dir"): LABELLED,
    ("container", "export"): LABELLED,
    ("container", "top"): LABELLED,
    ("container", "exec_create: cat"): LABELLED | {"execID"},
    ("container", "exec_start: cat"): LABELLED | {"execID"},
    ("container", "exec_detach"): LABELLED | {"execID"},
    ("container", "exec_die"): LABELLED | {"execID", "exitCode"},
    ("container", "health_status: healthy"): LABELLED,
    ("container", "prune"): RECLAIMED,
    ("image", "create"): {"name", "mine"},
    ("image", "pull"): {"name", "mine"},
    ("image", "push"): {"name", "mine"},
    ("image", "tag"): {"name"},
    ("image", "untag"): {"name"},
    ("image", "delete"): {"name"},
    ("image", "import"): {"name"},
    ("image", "load"): {"name"},
    ("image", "save"): {"name"},
    ("image", "prune"): RECLAIMED,
    ("network", "create"): NETWORK,
    ("network", "connect"): NETWORK | {"container"},
    ("network", "disconnect"): NETWORK | {"container"},
    ("network", "destroy"): NETWORK,
    ("network", "prune"): RECLAIMED,
    ("volume", "create"): DRIVER,
    ("volume", "mount"): DRIVER | {"container", "destination", "read/write", "propagation"},
    ("volume", "unmount"): DRIVER | {"container"},
    ("volume", "destroy"): DRIVER,
    ("volume", "prune"): RECLAIMED,
    ("daemon", "reload"): {"name", "debug", "labels", "insecure-registries", "registry-mirrors"},
    ("builder", "prune"): RECLAIMED,
}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


class Api:
    """What the docker CLI does on a terminal only."""

    def __init__(self, engine: Engine) -> None:
        self._socket = str(engine.socket)

    def call(self, path: str, body: object = None) -> Any:
        client = http.client.HTTPConnection("engine")
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(self._socket)
        client.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = client.getresponse()
        text = answer.read()
        client.close()
        assert answer.status < 300, text
        return json.loads(text) if text else None

    def detach(self, path: str, body: object = None) -> None:
        """Open a stream in both directions, and leave it with ctrl-x."""
        data = json.dumps(body).encode()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(self._socket)
            client.sendall(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                + data
            )
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            assert b" 101 " in head
            client.sendall(b"\x18")
            while client.recv(4096):
                pass


def _events(engine: Engine, since: str) -> list[dict[str, Any]]:
    until = f"{time.time():.6f}"
    shown = engine.docker(*("events", "--since", since, "--until", until, "--format", "{{json .}}"))
    return [json.loads(line) for line in shown.stdout.splitlines()]


def _containers(engine: Engine, api: Api) -> None:
    run = ("run", "-d", "--label", "mine=1")
    healthy = ("--health-cmd", "true", "--health-interval", "50ms")
    engine.docker(*run, *healthy, "-it", "--name", "cc", "-v", "vv:/v", "busybox", "sh")
    api.detach("/containers/cc/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x")
    api.call("/containers/cc/resize?h=20&w=30")
    options = {"AttachStdin": True, "AttachStdout": True, "Tty": True, "DetachKeys": "ctrl-x"}
    made = api.call("/containers/cc/exec", {**options, "Cmd": ["cat"]})
    api.detach(f"/exec/{made['Id']}/start", {"Tty": True})
    engine.docker("exec", "cc", "true")
    for verb in ("pause", "unpause", "top", "export"):
        engine.docker(verb, "cc")
    engine.docker("cp", "cc:/etc/passwd", "-")
    engine.docker("cp", "-", "cc:/", stdin=_archive())
    engine.docker("update", "--cpu-shares", "512", "cc")
    engine.docker("commit", "-m", "why", "cc", "committed")
    deadline = time.monotonic() + 15
    state = ("inspect", "-f", "{{.State.Health.Status}}", "cc")
    while engine.docker(*state).stdout != "healthy\n":
        assert time.monotonic() < deadline
    engine.docker("restart", "-t", "0", "cc")
    engine.docker("stop", "-t", "0", "cc")
    engine.docker("rename", "cc", "dd")
    engine.docker("rm", "dd")
    limits = ("-m", "8m", "--memory-swap", "8m")
    engine.docker(*run, "--name", "greedy", *limits, "busybox", "tail", "/dev/zero")
    engine.docker("wait", "greedy")
    engine.docker("rm", "greedy")
    engine.docker("container", "prune", "-f")


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        out.addfile(tarfile.TarInfo("empty"))
    return buffer.getvalue()


def _images(engine: Engine, registry: Server) -> None:
    engine.docker("import", "-", "imported", stdin=_archive())
    archive = engine.home / "saved.tar"
    engine.docker("save", "-o", archive, "imported")
    engine.docker("rmi", "imported")
    engine.docker("load", "-i", archive)
    engine.docker("rmi", "imported")
    name = f"{registry.host}/committed"
    engine.docker("tag", "committed", name)
    engine.docker("push", name)
    engine.docker("rmi", name)
    engine.docker("pull", name)
    engine.docker("rmi", "-f", name, "committed")
    engine.docker("image", "prune", "-f")
    engine.docker("builder", "prune", "-f")


def _others(engine: Engine) -> None:
    engine.docker("network", "create", "nn")
    engine.docker("run", "--rm", "--label", "mine=1", "--network", "nn", "busybox", "true")
    engine.docker("network", "rm", "nn")
    engine.docker("network", "prune", "-f")
    engine.docker("volume", "rm", "vv")
    engine.docker("volume", "prune", "-f")
    assert engine.process is not None
    before = engine.log.read_text().count("configuration reloaded")
    engine.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while engine.log.read_text().count("configuration reloaded") == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_kind_of_event_is_told_with_its_attributes(engine: Engine, registry: Server):
    since = f"{time.time():.6f}"
    _containers(engine, Api(engine))
    _images(engine, registry)
    _others(engine)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in _events(engine, since):
        assert event["scope"] == "local"
        assert event["timeNano"] // 10**9 == event["time"]
        found.setdefault((event["Type"], event["Action"]), []).append(event)
    missing = sorted(set(EXPECTED) - set(found))
    assert missing == []
    for kind, keys in EXPECTED.items():
        lacking = [
            one for one in found[kind] if not keys <= set(one["Actor"].get("Attributes") or {})
        ]
        assert not lacking, (kind, keys, lacking[0])
    for kind in (("container", "prune"), ("image", "prune"), ("builder", "prune")):
        assert found[kind][0]["Actor"]["ID"] == ""
    assert found["container", "kill"][0]["Actor"]["Attributes"]["signal"].isdecimal()
    assert found["container", "rename"][0]["Actor"]["Attributes"]["oldName"] == "/cc"
    assert found["container", "oom"][0]["Actor"]["Attributes"]["name"] == "greedy"
    assert found["image", "pull"][0]["Actor"]["ID"] == f"{registry.host}/committed:latest"
