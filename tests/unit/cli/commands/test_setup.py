import json

import pytest

from sampan.cli.commands import setup as command
from sampan.cli.main import main
from sampan.daemon.config import DEFAULT_DATA_ROOT, Config
from sampan.daemon.instance import derive
from sampan.lib import needs
from sampan.setup import service
from sampan.setup.findings import Finding, Status

RUNTIME = Finding(
    name="crun", status=Status.MISSING, found="not installed", why="containers", need=needs.RUNTIME
)
GIT = Finding(name="git", status=Status.OPTIONAL, found="-", why="builds", need=needs.GIT)
VETH = Finding(
    name="veth", status=Status.MISSING, found="-", why="interfaces", remedy="a kernel with it"
)
FINE = Finding(name="kernel", status=Status.OK, found="6.1", why="all")


@pytest.fixture
def machine(monkeypatch):
    """What is found there, one look after the other."""
    looks = []
    monkeypatch.setattr(command, "_look", lambda data_root: looks.pop(0))
    monkeypatch.setattr(needs, "family", lambda *_: "apt")
    return looks


@pytest.fixture
def ran(monkeypatch):
    commands = []
    monkeypatch.setattr(command, "_carry_out", commands.append)
    monkeypatch.setattr(command.os, "geteuid", lambda: 0)
    return commands


def test_its_defaults_are_the_daemons():
    assert str(DEFAULT_DATA_ROOT) == command.DATA_ROOT
    assert derive(Config()).bridge == command.BRIDGE


def test_a_machine_that_has_everything(machine, capsys):
    machine.append([FINE, GIT])
    assert main(["setup"], {}) == 0
    out = capsys.readouterr().out
    assert "An engine runs here." in out
    assert "What is optional:\n  apt-get install -y --no-install-recommends git\n" in out


def test_a_machine_that_lacks_something(machine, capsys):
    machine.append([FINE, RUNTIME, VETH])
    assert main(["setup"], {}) == 1
    out = capsys.readouterr().out
    assert "No engine runs here without: crun, veth." in out
    assert "veth (missing): a kernel with it" in out
    assert "What is missing:\n  apt-get install -y --no-install-recommends crun\n" in out


def test_json_has_one_object_a_line(machine, capsys):
    machine.append([FINE, RUNTIME])
    assert main(["setup", "--format", "json"], {}) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["Name"], each["Status"]) for each in found] == [
        ("kernel", "ok"),
        ("crun", "missing"),
    ]


def test_installing_asks_and_looks_again(machine, ran, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.readline", lambda: "y\n", raising=False)
    machine += [[RUNTIME, GIT], [FINE]]
    assert main(["setup", "--install"], {}) == 0
    assert ran == [["apt-get", "install", "-y", "--no-install-recommends", "crun"]]
    assert "This will run: apt-get install" in capsys.readouterr().out


def test_a_no_installs_nothing(machine, ran, monkeypatch):
    monkeypatch.setattr("sys.stdin.readline", lambda: "\n", raising=False)
    machine.append([RUNTIME])
    assert main(["setup", "--install"], {}) == 1
    assert ran == []


def test_yes_does_not_ask_and_all_takes_what_is_optional(machine, ran):
    machine += [[RUNTIME, GIT], [FINE]]
    assert main(["setup", "--install", "--all", "-y"], {}) == 0
    assert ran[0][-2:] == ["crun", "git"]


def test_installing_needs_root(machine, ran, monkeypatch, capsys):
    monkeypatch.setattr(command.os, "geteuid", lambda: 1000)
    machine.append([RUNTIME])
    assert main(["setup", "--install", "-y"], {}) == 1
    assert "needs root" in capsys.readouterr().err
    assert ran == []


@pytest.mark.parametrize("words", [["--yes"], []])
def test_the_service_is_enabled_if_wanted(words, ran, monkeypatch, capsys):
    steps = []
    monkeypatch.setattr(service, "detect", lambda: (service.SYSTEMD, True))
    monkeypatch.setattr(service, "ensure_group", lambda: True)
    monkeypatch.setattr(service, "write", lambda init, program: [])
    monkeypatch.setattr(service, "run", lambda words: steps.append(words[1]))
    monkeypatch.setattr("sys.stdin.readline", lambda: "n\n", raising=False)
    assert main(["setup", "--service", *words], {}) == 0
    assert steps == (["daemon-reload", "enable"] if words else ["daemon-reload"])
    told = capsys.readouterr().out
    assert "made the group sampan" in told
    assert words or "To enable it later:\n  systemctl enable --now sampan.socket" in told
