"""Logs of real containers, read through the real docker CLI and written to receivers."""

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from integration.harness import BUSYBOX, Engine, docker_cli

pytestmark = pytest.mark.integration

JOURNAL = Path("/run/systemd/journal/socket")


@pytest.fixture
def docker(engine: Engine):
    yield engine.docker
    names = engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        engine.docker("rm", "-f", "-v", *names)


def home(engine: Engine, name: str) -> Path:
    identifier = engine.docker("inspect", "-f", "{{.Id}}", name).stdout.strip()
    return engine.home / "data/containers" / identifier


def collect(receiver: socket.socket, count: int) -> list[bytes]:
    receiver.settimeout(10)
    return [receiver.recv(1 << 20) for _ in range(count)]


def test_a_log_is_bounded_and_compressed_without_being_asked(engine, docker):
    script = "yes 0123456789012345678901234567890123456789 | head -n 600000"
    docker("run", "--name", "big", BUSYBOX, "sh", "-c", f"{script} > /dev/stderr")
    sizes = {path.name[64:]: path.stat().st_size for path in home(engine, "big").glob("*-json*")}
    assert set(sizes) == {"-json.log", "-json.log.1.gz", "-json.log.2.gz"}
    assert max(sizes.values()) < 10_001_000
    assert docker("inspect", "-f", "{{json .HostConfig.LogConfig}}", "big").stdout.strip() == (
        '{"Type":"json-file","Config":{}}'
    )


def test_max_size_minus_one_means_no_limit(engine, docker):
    script = "yes 0123456789012345678901234567890123456789 | head -n 150000"
    docker("run", "--name", "big", "--log-opt", "max-size=-1", BUSYBOX, "sh", "-c", script)
    (log,) = home(engine, "big").glob("*-json.log*")
    assert log.stat().st_size > 12_000_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("files", ["1", "3"])
def test_followers_miss_and_double_nothing_while_the_log_is_rotated_all_the_time(
    engine, docker, files
):
    """About a thousand files of 10 kB, written as fast as the container can."""
    count = 100_000
    options = ["--log-opt", "max-size=10k", "--log-opt", f"max-file={files}"]
    script = f"read x < /go; seq 1 {count}"
    docker("create", "--name", "fast", *options, BUSYBOX, "sh", "-c", f"mkfifo /go; {script}")
    docker("start", "fast")
    environment = {**os.environ, "DOCKER_HOST": engine.host}
    followers = [
        subprocess.Popen(
            [docker_cli(), "logs", "-f", "fast"], stdout=subprocess.PIPE, env=environment
        )
        for _ in range(2)
    ]
    folder = home(engine, "fast")
    deadline = time.monotonic() + 10
    while len(list(folder.glob("*.follower-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    docker("exec", "fast", "sh", "-c", "echo > /go")
    outputs = [follower.communicate(timeout=60)[0] for follower in followers]
    expected = b"".join(b"%d\n" % number for number in range(1, count + 1))
    assert [output == expected for output in outputs] == [True, True]
    assert not list(folder.glob("*.follower-*"))


def test_details_are_the_chosen_labels_variables_and_the_tag(docker):
    docker(
        *("run", "--name", "box", "--label", "app=web", "--label", "x=y", "-e", "STAGE=test"),
        *("--log-opt", "labels=app", "--log-opt", "env=STAGE"),
        *("--log-opt", "tag={{.Name}}/{{.ImageName}}", BUSYBOX, "echo", "hello"),
    )
    assert docker("logs", "--details", "box").stdout == (
        "STAGE=test,app=web,tag=box%2Fbusybox%3Alatest hello\n"
    )


def test_syslog_gets_lines_also_while_the_daemon_is_dead(engine, docker, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        docker(
            *("run", "-d", "--name", "box", "--log-driver", "syslog"),
            *("--log-opt", f"syslog-address=unixgram://{tmp_path}/log"),
            *("--log-opt", "syslog-facility=local0", "--log-opt", "tag=app-{{.Name}}"),
            *(BUSYBOX, "sh", "-c", "echo first; sleep 1; echo second >&2; sleep 100"),
        )
        (first,) = collect(receiver, 1)
        assert re.fullmatch(r"<134>.* app-box\[\d+\]: first\n", first.decode())
        engine.restart()
        (second,) = collect(receiver, 1)
        assert re.fullmatch(r"<131>.* app-box\[\d+\]: second\n", second.decode())
        failed = docker("logs", "box", check=False)
        assert failed.returncode == 1
        assert "configured logging driver does not support reading" in failed.stderr
        assert docker("inspect", "-f", "{{.LogPath}}", "box").stdout == "\n"


def test_a_container_runs_and_ends_though_its_receiver_is_away(docker, tmp_path):
    done = docker(
        *("run", "--name", "box", "--log-driver", "syslog"),
        *("--log-opt", f"syslog-address=unix://{tmp_path}/nosuch", BUSYBOX),
        *("sh", "-c", "yes | head -n 100000 | wc -l; exit 3"),
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "100000\n")


@pytest.mark.skipif(JOURNAL.exists(), reason="a real journal is here")
def test_journald_gets_entries_with_dockers_fields(docker):
    JOURNAL.parent.mkdir(parents=True, exist_ok=True)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(JOURNAL))
            identifier = docker(
                *("run", "-d", "--name", "box", "--log-driver", "journald", "--label", "a.b=c"),
                *("--log-opt", "labels=a.b", BUSYBOX, "echo", "hello"),
            ).stdout.strip()
            (message,) = collect(receiver, 1)
    finally:
        JOURNAL.unlink()
        JOURNAL.parent.rmdir()
    assert dict(row.split("=", 1) for row in message.decode().splitlines()) == {
        "CONTAINER_ID": identifier[:12],
        "CONTAINER_ID_FULL": identifier,
        "CONTAINER_NAME": "box",
        "CONTAINER_TAG": identifier[:12],
        "IMAGE_NAME": BUSYBOX,
        "SYSLOG_IDENTIFIER": identifier[:12],
        "A_B": "c",
        "PRIORITY": "6",
        "MESSAGE": "hello",
    }


def test_the_daemon_has_a_default_driver_and_options(tmp_path):
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"log-driver": "local", "log-opts": {"max-size": "2m"}}))
    engine = Engine("--config-file", str(config))
    try:
        engine.start()
        engine.import_busybox()

        def settings(*options: str) -> str:
            name = engine.docker("create", *options, BUSYBOX).stdout.strip()
            shown = engine.docker("inspect", "-f", "{{json .HostConfig.LogConfig}}", name)
            return json.loads(shown.stdout)

        assert settings() == {"Type": "local", "Config": {"max-size": "2m"}}
        assert settings("--log-opt", "max-file=2") == {
            "Type": "local",
            "Config": {"max-size": "2m", "max-file": "2"},
        }
        assert settings("--log-driver", "json-file") == {"Type": "json-file", "Config": {}}
        assert engine.docker("info", "-f", "{{.LoggingDriver}}").stdout == "local\n"
    finally:
        engine.destroy()


def test_a_daemon_with_impossible_log_options_does_not_start():
    engine = Engine("--log-driver", "syslog", "--log-opt", "nosuch=1")
    with pytest.raises(AssertionError, match="failed to set log opts: unknown log opt 'nosuch'"):
        engine.start()
