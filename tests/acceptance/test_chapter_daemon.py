"""The chapter's beginning: the daemon that keeps state, its API, the command line's first words."""

import json
import re
import signal
import subprocess

import pytest

from acceptance.client import Client
from acceptance.table import row
from integration.harness import Engine

# the first test of a session may have to make the base images
pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]


@row("B11")
def test_version_in_a_line(client: Client) -> None:
    """As ever, but for the name of the program that says it."""
    shown = client.run("docker -v")
    assert re.fullmatch(r"(Docker|Sampan) version \d+\.\d+\.\d+(, build \w+)?\n", shown), shown


@row("B12")
def test_help_lists_the_commands(client: Client) -> None:
    shown = client.run("docker help")
    assert shown.lstrip().startswith(f"Usage:  {client.name} [OPTIONS] COMMAND")
    for title in ("Common Commands:", "Management Commands:", "Global Options:"):
        assert title in shown
    listed = set(re.findall(r"^  ([a-z]+)\*?  ", shown, re.MULTILINE))
    words = "run exec ps build pull push images login container image network volume swarm"
    assert listed >= set(words.split())


@row("B03")
def test_groups_of_commands(client: Client) -> None:
    client.run("docker pull busybox")
    kept = client.run("docker volume create kept")
    assert kept == "kept\n"
    client.run(
        "docker run -d --name keeper -v kept:/kept busybox sh -c 'echo 1 > /kept/it; sleep 900'"
    )
    assert "kept" in client.run("docker volume ls")
    assert "keeper" in client.run("docker container ls")
    assert "busybox" in client.run("docker image ls")
    rows = client.run("docker network ls").splitlines()
    assert {line.split()[1] for line in rows[1:]} == {"bridge", "host", "none"}


@row("B02")
def test_the_api_over_the_socket(client: Client, machine: Engine) -> None:
    """With curl: the newest API and, by a prefix, older ones."""
    for prefix in ("", "/v1.24", "/v1.41"):
        url = f"http://localhost{prefix}/containers/json"
        words = ["curl", "--silent", "--fail", "--unix-socket", str(machine.socket), url]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
        (found,) = json.loads(done.stdout)
        assert found["Names"] == ["/keeper"]
        assert found["State"] == "running"
        assert found["Id"].startswith(client.run("docker ps -q").strip())


@row("B01")
def test_state_is_kept_over_a_restart(client: Client, machine: Engine) -> None:
    client.run("docker run --name ended busybox false", status=1)
    listing = "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'"
    before = client.run(listing)
    states = sorted(line.split()[1:] for line in before.splitlines())
    assert states == [["ended", "exited"], ["keeper", "running"]]
    machine.restart(signal.SIGTERM)
    assert client.run(listing) == before
    assert "kept" in client.run("docker volume ls -q")
    assert client.run("docker exec keeper cat /kept/it") == "1\n"
