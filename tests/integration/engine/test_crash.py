"""What `kill -9` of the daemon, a monitor or the zygote may cost: nothing that was promised."""

import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.harness import Engine, busybox_rootfs
from integration.scripted_registry import Handler, ScriptedRegistry, layer_tar
from integration.wholeness import flaws

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

MOMENTS = (0.2, 0.4, 0.6, 0.8)  # parts of the time that an operation takes


def _state(engine: Engine, name: str, field: str) -> str:
    return engine.docker("inspect", "-f", "{{.State." + field + "}}", name).stdout.strip()


def _eventually(condition, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def engine(file_engine: Engine) -> Iterator[Engine]:
    yield file_engine
    names = file_engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        file_engine.docker("rm", "-f", "-v", *names)
    file_engine.import_busybox()


def _check_whole(engine: Engine) -> None:
    """Nothing half, nothing leaked; the kernel and the end of containers may take a moment."""
    engine.docker("image", "prune", "-f")
    deadline = time.monotonic() + 10
    while (found := flaws(engine)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == []


class Interrupted:
    """A client whose daemon is killed while it waits for the answer."""

    def __init__(self, engine: Engine, *argv: str | Path, stdin: bytes | None = None) -> None:
        self._engine = engine
        options = {"check": False, "stdin": stdin}
        self._thread = threading.Thread(target=engine.docker, args=argv, kwargs=options)

    def after(self, delay_s: float) -> None:
        self._thread.start()
        time.sleep(delay_s)
        self._engine.restart(signal.SIGKILL)
        self._thread.join()


def _timed(engine: Engine, *argv: str | Path, stdin: bytes | None = None) -> float:
    begun = time.monotonic()
    engine.docker(*argv, stdin=stdin)
    return time.monotonic() - begun


def test_running_containers_logs_and_ports_outlive_the_daemon(engine: Engine):
    script = (
        "echo page > index.html; httpd -p 80; i=0; "
        "while :; do i=$((i+1)); echo $i; sleep 0.02; done"
    )
    engine.docker(
        "run", "-d", "--name", "cc", "-p", "127.0.0.1:0:80", "busybox", "sh", "-c", script
    )
    address = engine.docker("port", "cc", "80").stdout.strip()
    pid = _state(engine, "cc", "Pid")
    engine.stop(signal.SIGKILL)
    page = urllib.request.urlopen(f"http://{address}/", timeout=5).read()
    assert page == b"page\n"
    time.sleep(0.5)
    engine.start()
    assert (_state(engine, "cc", "Status"), _state(engine, "cc", "Pid")) == ("running", pid)
    assert engine.docker("exec", "cc", "echo", "alive").stdout == "alive\n"
    engine.docker("stop", "-t", "0", "cc")
    numbers = [int(line) for line in engine.docker("logs", "cc").stdout.split()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 20


def test_exit_statuses_are_kept_while_no_daemon_is_there(engine: Engine):
    engine.docker("run", "-d", "--name", "ends", "busybox", "sh", "-c", "sleep 1; exit 7")
    engine.docker("run", "-d", "--rm", "--name", "vanishes", "busybox", "sleep", "1")
    engine.stop(signal.SIGKILL)
    time.sleep(1.5)
    engine.start()
    _eventually(lambda: _state(engine, "ends", "Status") == "exited")
    assert _state(engine, "ends", "ExitCode") == "7"
    _eventually(lambda: "vanishes" not in engine.docker("ps", "-a").stdout)


def test_a_stopped_daemon_leaves_containers_running(engine: Engine):
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "100")
    engine.restart(signal.SIGTERM)
    assert _state(engine, "cc", "Status") == "running"


def test_daemon_killed_again_and_again_while_containers_start(engine: Engine):
    """Whatever the moment: afterwards every container is whole or absent, and can be removed."""
    for delay_s in (0.02, 0.05, 0.08, 0.12, 0.2, 0.3):
        starter = threading.Thread(
            target=engine.docker,
            args=("run", "-d", "--label", "race", "busybox", "sleep", "100"),
            kwargs={"check": False},
        )
        starter.start()
        time.sleep(delay_s)
        engine.restart(signal.SIGKILL)
        starter.join()
        _check_whole(engine)
    names = engine.docker("ps", "-aq", "--filter", "label=race").stdout.split()
    for name in names:
        assert _state(engine, name, "Status") in {"created", "running", "exited"}
        engine.docker("rm", "-f", name)
    assert engine.docker("run", "--rm", "busybox", "echo", "well").stdout == "well\n"
    _check_whole(engine)


def test_a_killed_monitor_ends_its_container_with_137(engine: Engine):
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "100")
    pid = int(_state(engine, "cc", "Pid"))
    monitor = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    command = Path(f"/proc/{monitor}/cmdline").read_text()
    assert "sampan" in command, f"the parent of the container is {command!r}"
    os.kill(monitor, signal.SIGKILL)
    _eventually(lambda: _state(engine, "cc", "Status") == "exited")
    assert _state(engine, "cc", "ExitCode") == "137"
    engine.docker("start", "cc")
    assert _state(engine, "cc", "Status") == "running"


def test_a_killed_zygote_is_replaced(engine: Engine):
    assert engine.process is not None
    children = subprocess.run(
        ["pgrep", "-P", str(engine.process.pid), "-f", "zygote"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    _eventually(
        lambda: engine.docker("run", "--rm", "busybox", "true", check=False).returncode == 0
    )


def test_build_killed_midway_leaves_no_image_and_builds_again(engine: Engine, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN echo one > /one\nRUN sleep 2; echo two > /two\n"
    )
    builder = threading.Thread(
        target=engine.docker, args=("build", "-t", "half", tmp_path), kwargs={"check": False}
    )
    builder.start()
    time.sleep(1)
    engine.restart(signal.SIGKILL)
    builder.join()
    assert "half" not in engine.docker("images").stdout
    _check_whole(engine)
    engine.docker("build", "-t", "half", tmp_path)
    assert engine.docker("run", "--rm", "half", "cat", "/one", "/two").stdout == "one\ntwo\n"


def test_create_killed_midway_leaves_a_whole_container_or_none(engine: Engine):
    argv = ("create", "-v", "/data", "busybox", "true")
    took_s = _timed(engine, *argv)
    for part in MOMENTS:
        Interrupted(engine, *argv).after(took_s * part)
        _check_whole(engine)
    for name in engine.docker("ps", "-aq").stdout.split():
        engine.docker("start", "-a", name)


def test_stop_killed_midway_can_be_asked_for_again(engine: Engine):
    for delay_s in (0.02, 0.06, 0.1, 0.3):
        script = "trap 'sleep 0.1; exit 5' TERM; while :; do sleep 0.02; done"
        engine.docker("run", "-d", "--name", "cc", "busybox", "sh", "-c", script)
        Interrupted(engine, "stop", "cc").after(delay_s)
        engine.docker("stop", "-t", "5", "cc")
        assert _state(engine, "cc", "Status") == "exited"
        assert _state(engine, "cc", "ExitCode") in {"5", "143"}
        _check_whole(engine)
        engine.docker("rm", "cc")


def test_removal_killed_midway_leaves_a_whole_container_or_none(engine: Engine):
    for part in MOMENTS:
        engine.docker("run", "-d", "--name", "cc", "-v", "/v", "busybox", "sleep", "100")
        Interrupted(engine, "rm", "-f", "-v", "cc").after(0.2 * part)
        _check_whole(engine)
        engine.docker("rm", "-f", "-v", "cc", check=False)
        assert engine.docker("ps", "-aq").stdout == ""
        _check_whole(engine)


def test_exec_killed_midway_leaves_the_container_alone(engine: Engine):
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "100")
    for delay_s in (0.03, 0.08, 0.12, 0.4):
        Interrupted(engine, "exec", "cc", "sleep", "1").after(delay_s)
        assert _state(engine, "cc", "Status") == "running"
        assert engine.docker("exec", "cc", "echo", "well").stdout == "well\n"
    _check_whole(engine)
    time.sleep(1)
    assert engine.docker("exec", "cc", "ps", "-o", "args").stdout.count("sleep") == 1


def test_load_killed_midway_leaves_a_whole_image_or_none(engine: Engine, tmp_path: Path):
    engine.docker("save", "-o", tmp_path / "saved", "busybox")
    saved = (tmp_path / "saved").read_bytes()
    engine.docker("rmi", "busybox")
    took_s = _timed(engine, "load", stdin=saved)
    for part in MOMENTS:
        engine.docker("rmi", "busybox", check=False)
        Interrupted(engine, "load", stdin=saved).after(took_s * part)
        _check_whole(engine)
    engine.docker("load", stdin=saved)
    assert engine.docker("run", "--rm", "busybox", "echo", "well").stdout == "well\n"


def test_pull_killed_midway_leaves_a_whole_image_or_none(engine: Engine):
    with ScriptedRegistry() as registry:
        name = registry.add(
            "app", busybox_rootfs(), layer_tar({"big": os.urandom(3 << 20), "end": b"end\n"})
        )
        took_s = _timed(engine, "pull", name)
        for part in MOMENTS:
            engine.docker("rmi", name, check=False)
            Interrupted(engine, "pull", name).after(took_s * part)
            _check_whole(engine)
        engine.docker("pull", name)
    assert engine.docker("run", "--rm", name, "cat", "end").stdout == "end\n"


def test_pull_killed_while_a_layer_stalls_leaves_nothing(engine: Engine):
    released = threading.Event()

    def stall(handler: Handler, blob: bytes) -> None:
        handler.begin(len(blob))
        handler.wfile.write(blob[: len(blob) // 2])
        handler.wfile.flush()
        released.wait(20)

    with ScriptedRegistry() as registry:
        name = registry.add("app", busybox_rootfs(), layer_tar({"big": os.urandom(1 << 20)}))
        registry.faults[registry.layers_of("app")[1]] = stall
        Interrupted(engine, "pull", name).after(1)
        released.set()
        assert name not in engine.docker("images", "--format", "{{.Repository}}").stdout
        _check_whole(engine)
        registry.faults.clear()
        engine.docker("pull", name)
    assert engine.docker("run", "--rm", name, "ls", "/big").stdout == "/big\n"
