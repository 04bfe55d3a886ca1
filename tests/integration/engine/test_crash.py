"""What `kill -9` of the daemon, a monitor or the zygote may cost: nothing that was promised."""

import os
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def _state(engine: Engine, name: str, field: str) -> str:
    return engine.docker("inspect", "-f", "{{.State." + field + "}}", name).stdout.strip()


def _eventually(condition, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_running_containers_logs_and_ports_outlive_the_daemon(own_engine: Engine):
    script = "echo page > index.html; httpd -p 80; i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"
    own_engine.docker(
        "run", "-d", "--name", "cc", "-p", "127.0.0.1:0:80", "busybox", "sh", "-c", script
    )
    address = own_engine.docker("port", "cc", "80").stdout.strip()
    pid = _state(own_engine, "cc", "Pid")
    own_engine.stop(signal.SIGKILL)
    page = urllib.request.urlopen(f"http://{address}/", timeout=5).read()
    assert page == b"page\n"
    time.sleep(0.5)
    own_engine.start()
    assert (_state(own_engine, "cc", "Status"), _state(own_engine, "cc", "Pid")) == ("running", pid)
    assert own_engine.docker("exec", "cc", "echo", "alive").stdout == "alive\n"
    own_engine.docker("stop", "-t", "0", "cc")
    numbers = [int(line) for line in own_engine.docker("logs", "cc").stdout.split()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 20


def test_exit_statuses_are_kept_while_no_daemon_is_there(own_engine: Engine):
    own_engine.docker("run", "-d", "--name", "ends", "busybox", "sh", "-c", "sleep 1; exit 7")
    own_engine.docker("run", "-d", "--rm", "--name", "vanishes", "busybox", "sleep", "1")
    own_engine.stop(signal.SIGKILL)
    time.sleep(1.5)
    own_engine.start()
    _eventually(lambda: _state(own_engine, "ends", "Status") == "exited")
    assert _state(own_engine, "ends", "ExitCode") == "7"
    _eventually(lambda: "vanishes" not in own_engine.docker("ps", "-a").stdout)


def test_a_stopped_daemon_leaves_containers_running(own_engine: Engine):
    own_engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "100")
    own_engine.restart(signal.SIGTERM)
    assert _state(own_engine, "cc", "Status") == "running"


def test_daemon_killed_again_and_again_while_containers_start(own_engine: Engine):
    """Whatever the moment: afterwards every container is whole or absent, and can be removed."""
    for delay_s in (0.02, 0.05, 0.08, 0.12, 0.2, 0.3):
        starter = threading.Thread(
            target=own_engine.docker,
            args=("run", "-d", "--label", "race", "busybox", "sleep", "100"),
            kwargs={"check": False},
        )
        starter.start()
        time.sleep(delay_s)
        own_engine.restart(signal.SIGKILL)
        starter.join()
    names = own_engine.docker("ps", "-aq", "--filter", "label=race").stdout.split()
    for name in names:
        assert _state(own_engine, name, "Status") in {"created", "running", "exited"}
        own_engine.docker("rm", "-f", name)
    assert own_engine.docker("run", "--rm", "busybox", "echo", "well").stdout == "well\n"


def test_a_killed_monitor_ends_its_container_with_137(own_engine: Engine):
    own_engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "100")
    pid = int(_state(own_engine, "cc", "Pid"))
    monitor = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    command = Path(f"/proc/{monitor}/cmdline").read_text()
    assert "sampan" in command, f"the parent of the container is {command!r}"
    os.kill(monitor, signal.SIGKILL)
    _eventually(lambda: _state(own_engine, "cc", "Status") == "exited")
    assert _state(own_engine, "cc", "ExitCode") == "137"
    own_engine.docker("start", "cc")
    assert _state(own_engine, "cc", "Status") == "running"


def test_a_killed_zygote_is_replaced(own_engine: Engine):
    assert own_engine.process is not None
    children = subprocess.run(
        ["pgrep", "-P", str(own_engine.process.pid), "-f", "zygote"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    _eventually(
        lambda: own_engine.docker("run", "--rm", "busybox", "true", check=False).returncode == 0
    )


def test_build_killed_midway_leaves_no_image_and_builds_again(own_engine: Engine, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN echo one > /one\nRUN sleep 2; echo two > /two\n"
    )
    builder = threading.Thread(
        target=own_engine.docker, args=("build", "-t", "half", tmp_path), kwargs={"check": False}
    )
    builder.start()
    time.sleep(1)
    own_engine.restart(signal.SIGKILL)
    builder.join()
    assert "half" not in own_engine.docker("images").stdout
    own_engine.docker("build", "-t", "half", tmp_path)
    assert own_engine.docker("run", "--rm", "half", "cat", "/one", "/two").stdout == "one\ntwo\n"
