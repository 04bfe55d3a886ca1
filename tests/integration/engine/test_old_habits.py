"""What clients and images have always counted on, and an engine easily gets wrong."""

import pytest

from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.41"])
def test_a_client_of_an_old_version_runs_and_lists(engine: Engine, monkeypatch, version):
    monkeypatch.setenv("DOCKER_API_VERSION", version)
    ran = engine.docker("run", "--rm", "busybox", "sh", "-c", "echo hi; exit 3", check=False)
    assert (ran.stdout, ran.returncode) == ("hi\n", 3)
    engine.docker("run", "-d", "--name", "old", "busybox", "true")
    assert engine.docker("wait", "old").stdout == "0\n"
    assert engine.docker("ps", "-a", "--format", "{{.Names}}").stdout == "old\n"
    engine.docker("rm", "old")


def test_a_mac_address_is_asked_for_per_network_since_1_44(engine: Engine):
    mac = "02:42:ac:11:00:99"
    words = ("run", "--rm", "--mac-address", mac, "busybox", "cat", "/sys/class/net/eth0/address")
    assert engine.docker(*words).stdout.strip() == mac


def test_a_prune_of_volumes_takes_anonymous_ones_only_since_1_42(engine: Engine, monkeypatch):
    engine.docker("volume", "create", "named")
    nameless = engine.docker("volume", "create").stdout.strip()
    assert nameless in engine.docker("volume", "prune", "-f").stdout
    assert engine.docker("volume", "ls", "-q").stdout == "named\n"
    monkeypatch.setenv("DOCKER_API_VERSION", "1.41")
    assert "named" in engine.docker("volume", "prune", "-f").stdout
    assert engine.docker("volume", "ls", "-q").stdout == ""


def test_a_container_may_serve_names_itself(engine: Engine):
    """The resolver of a user-defined network keeps away from port 53 of every address."""
    engine.docker("network", "create", "habits")
    script = (
        "nc -l -p 53 -e echo served & sleep 0.3; nc 127.0.0.1 53 </dev/null;"
        " nslookup self 127.0.0.11 >/dev/null && echo known"
    )
    ran = engine.docker(
        "run", "--rm", "--network", "habits", "--name", "self", "busybox", "sh", "-c", script
    )
    assert ran.stdout.split() == ["served", "known"]
    engine.docker("network", "rm", "habits")


def test_programs_that_end_at_once_lose_no_exit_status(engine: Engine):
    for status in range(1, 9):
        engine.docker(
            "run", "-d", "--name", f"at-once-{status}", "busybox", "sh", "-c", f"exit {status}"
        )
    names = [f"at-once-{status}" for status in range(1, 9)]
    assert engine.docker("wait", *names).stdout.split() == [str(one) for one in range(1, 9)]
    engine.docker("rm", *names)
