"""The daemon as a process: start, claims, signals, socket activation; seen by the docker CLI."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


class Process:
    """One daemon with everything of its own below `home`."""

    def __init__(self, home, *flags, name="d"):
        self.home = home
        self.path = home / f"{name}.sock"
        self.argv = [
            *(sys.executable, "-m", "sampan.daemon", "--data-root", home / "data"),
            *("--exec-root", home / f"exec-{name}", "--pidfile", home / f"{name}.pid"),
            *("-H", f"unix://{self.path}", "--config-file", home / "daemon.json", *flags),
        ]
        if not (home / "daemon.json").exists():
            (home / "daemon.json").write_text("{}")
        self.log = home / f"{name}.log"
        with self.log.open("wb") as out:
            self.child = subprocess.Popen(self.argv, stdout=out, stderr=out)

    def ready(self):
        deadline = time.monotonic() + 20
        while b"daemon ready" not in self.log.read_bytes():
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    def docker(self, *words):
        program = shutil.which("docker")
        assert program
        done = subprocess.run(
            [program, "-H", f"unix://{self.path}", *words],
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    def info(self):
        status, out, err = self.docker("info", "--format", "{{json .}}")
        assert status == 0, err
        return json.loads(out)

    def end(self, number=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(number)
        return self.child.wait(20)


@pytest.fixture
def start(tmp_path):
    """`start("--flag")`: a daemon that is ended with the test."""
    made = []

    def run(*flags, name="d"):
        process = Process(tmp_path, *flags, name=name)
        made.append(process)
        return process

    yield run
    for process in made:
        process.end()


def test_real_cli_gets_version_and_info(start):
    daemon = start().ready()
    status, out, _ = daemon.docker("version", "--format", "{{.Server.APIVersion}} {{.Server.Os}}")
    assert (status, out.strip()) == (0, "1.51 linux")
    info = daemon.info()
    assert info["OSType"] == "linux"
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["DockerRootDir"] == str(daemon.home / "data")


def test_stop_removes_socket_and_pidfile_and_exits_with_zero(start):
    daemon = start().ready()
    assert (daemon.home / "d.pid").read_text() == str(daemon.child.pid)
    assert daemon.end() == 0
    assert not daemon.path.exists()
    assert not (daemon.home / "d.pid").exists()


def test_killed_daemon_leaves_nothing_in_the_way_of_the_next(start):
    first = start().ready()
    identity = first.info()["ID"]
    first.end(signal.SIGKILL)
    assert first.path.exists()
    assert start().ready().info()["ID"] == identity


def test_second_daemon_on_a_data_root_is_refused(start):
    first = start().ready()
    second = start(name="other")
    assert second.child.wait(20) == 1
    assert f"is in use by another daemon (pid {first.child.pid})" in second.log.read_text()
    assert first.docker("version")[0] == 0


def test_hangup_reloads_the_file(start):
    daemon = start().ready()
    assert daemon.info()["Labels"] == []
    (daemon.home / "daemon.json").write_text('{"labels": ["a=b"], "debug": true}')
    daemon.child.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while daemon.info()["Labels"] != ["a=b"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert daemon.info()["Debug"] is True
    (daemon.home / "daemon.json").write_text('{"nosuch": 1}')
    daemon.child.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert daemon.info()["Labels"] == ["a=b"]


def test_reload_is_an_event_and_reaches_registries_and_the_log(start):
    daemon = start().ready()
    now = time.time()
    settings = {"insecure-registries": ["reg.test:5000"], "registry-mirrors": ["http://m.test"]}
    (daemon.home / "daemon.json").write_text(json.dumps({**settings, "log-level": "debug"}))
    daemon.child.send_signal(signal.SIGHUP)
    words = ("--since", str(now), "--until", str(now + 2), "--filter", "type=daemon")
    _, events, _ = daemon.docker("events", *words, "--format", "{{.Action}}")
    assert events == "reload\n"
    found = daemon.info()["RegistryConfig"]
    assert found["IndexConfigs"]["reg.test:5000"]["Secure"] is False
    assert found["Mirrors"] == ["http://m.test/"]
    assert daemon.docker("inspect", "nosuch")[0] == 1
    assert b" DEBUG " in daemon.log.read_bytes()


def test_plain_tcp_for_the_network_is_refused_unless_asked_for(start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://0.0.0.0:{probe.getsockname()[1]}"
    refused = start("-H", address)
    assert refused.child.wait(20) == 1
    assert f"refusing to listen on {address} without TLS" in refused.log.read_text()
    allowed = start("-H", address, "--tls=false").ready()
    (warning,) = (text for text in allowed.info()["Warnings"] if "API" in text)
    assert "without encryption" in warning


def test_validate_only_checks(tmp_path):
    path = tmp_path / "daemon.json"
    path.write_text('{"labels": ["a=b"]}')
    argv = [sys.executable, "-m", "sampan.daemon", "--validate", "--config-file", path]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "configuration OK\n")
    path.write_text('{"nosuch": 1}')
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "don't match any configuration option: nosuch" in done.stderr


def test_sockets_of_systemd_are_served_and_left_in_place(tmp_path):
    path = tmp_path / "activated.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        os.set_inheritable(listener.fileno(), True)
        # The shell takes the place of systemd: descriptor 3, LISTEN_PID is the daemon's own.
        script = (
            f"exec 3<&{listener.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; "
            f"exec {sys.executable} -m sampan.daemon --data-root {tmp_path}/data "
            f"--exec-root {tmp_path}/exec --pidfile {tmp_path}/pid -H fd://"
        )
        child = subprocess.Popen(
            ["/bin/bash", "-c", script], pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL
        )
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
    finally:
        child.terminate()
        assert child.wait(20) == 0
    assert path.exists()


def test_stop_with_nothing_running_leaves_nothing_in_the_kernel(start):
    daemon = start().ready()
    bridge = daemon.log.read_text().rpartition("bridge=")[2].split()[0]
    tag = bridge.removeprefix("sampan")
    assert Path(f"/sys/class/net/{bridge}").exists()
    assert daemon.end() == 0
    assert not Path(f"/sys/class/net/{bridge}").exists()
    tables = subprocess.run(
        ["nft", "list", "tables"], capture_output=True, text=True, check=True
    ).stdout
    assert f"sampan_{tag}" not in tables
    assert str(daemon.home) not in Path("/proc/self/mountinfo").read_text()
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"/sampan-{tag}")]
    assert groups == []
