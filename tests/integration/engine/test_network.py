"""Published ports, links, network modes, through both clients."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

pytestmark = pytest.mark.integration

SERVE = ["busybox", "sh", "-c", "echo served > index.html; exec httpd -f -p 80"]


def _get(address: str) -> str:
    for _ in range(50):
        try:
            return urllib.request.urlopen(f"http://{address}/", timeout=3).read().decode()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"no answer at {address}")


def test_published_port_answers_on_loopback(cli):
    cli("run", "-d", "--name", "web", "-p", "127.0.0.1:0:80", *SERVE)
    line = cli("port", "web").stdout.strip()
    assert re.fullmatch(r"80/tcp -> 127\.0\.0\.1:\d+", line)
    assert _get(line.split()[-1]) == "served\n"


def test_container_reaches_itself_and_others_through_a_published_port(cli):
    cli("run", "-d", "--name", "web", "-p", "0:80", *SERVE)
    port = cli("port", "web", "80").stdout.splitlines()[0].rsplit(":", 1)[1]
    gateway = json.loads(cli("inspect", "web").stdout)[0]["NetworkSettings"]["Gateway"]
    assert _get(f"127.0.0.1:{port}") == "served\n"
    inside = ["wget", "-qO-", f"http://{gateway}:{port}/"]
    assert cli("exec", "web", *inside).stdout == "served\n"
    assert cli("run", "--rm", "busybox", *inside).stdout == "served\n"


def test_taken_port_is_refused_and_names_the_holder(cli):
    cli("run", "-d", "--name", "first", "-p", "127.0.0.1:0:80", "busybox", "sleep", "60")
    port = cli("port", "first", "80").stdout.strip().rsplit(":", 1)[1]
    ours = cli("run", "-d", "-p", f"127.0.0.1:{port}:80", "busybox", "true", check=False)
    assert ours.returncode == 125
    assert "port is already allocated" in ours.stderr
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        number = foreign.getsockname()[1]
        theirs = cli("run", "-d", "-p", f"127.0.0.1:{number}:80", "busybox", "true", check=False)
    assert theirs.returncode == 125
    assert "address already in use" in theirs.stderr
    assert f"pid {os.getpid()}" in theirs.stderr  # by whom
    after = cli("run", "--rm", "-p", f"127.0.0.1:{number}:80", "busybox", "true")
    assert after.returncode == 0


UDP_ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    data, peer = server.recvfrom(100)
    server.sendto(data, peer)
"""


def test_udp_ports_are_published(cli):
    cli("run", "-d", "--name", "echo", "-p", "127.0.0.1:0:53/udp", "busybox", "sleep", "60")
    host, port = cli("port", "echo", "53/udp").stdout.strip().rsplit(":", 1)
    pid = cli("inspect", "-f", "{{.State.Pid}}", "echo").stdout.strip()
    server = subprocess.Popen(["nsenter", "-t", pid, "-n", sys.executable, "-c", UDP_ECHO])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            client.connect((host, int(port)))
            assert _echoed(client)
    finally:
        server.kill()
        server.wait()


def _echoed(client: socket.socket) -> bool:
    for _ in range(20):
        try:
            client.send(b"ping")
            return client.recv(100) == b"ping"
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.1)
    return False


def test_links_give_names_and_environment(cli):
    cli("run", "-d", "--name", "db", "-e", "TOKEN=t", "--expose", "80", *SERVE)
    out = cli(
        *("run", "--rm", "--link", "db:database", "busybox", "sh", "-c"),
        "wget -qO- http://database/; cat /etc/hosts; env",
    ).stdout
    assert out.startswith("served\n")
    assert re.search(r"\tdatabase [0-9a-f]{12} db\n", out)
    assert "DATABASE_ENV_TOKEN=t\n" in out
    assert re.search(r"DATABASE_PORT_80_TCP_ADDR=\d+\.\d+\.\d+\.\d+\n", out)


def test_network_modes_none_and_host(cli):
    out = cli("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net").stdout
    assert "eth0" not in out
    assert cli("run", "--rm", "--network", "host", "busybox", "hostname").stdout.strip() == (
        socket.gethostname()
    )


def test_network_of_another_container_is_shared(cli):
    cli("run", "-d", "--name", "web", *SERVE)
    time.sleep(0.3)
    out = cli("run", "--rm", "--network", "container:web", "busybox", "wget", "-qO-", "127.0.0.1")
    assert out.stdout == "served\n"


def test_user_networks_resolve_names_and_aliases(cli):
    cli("network", "create", "back")
    try:
        cli("run", "-d", "--name", "srv", "--network", "back", "--network-alias", "web", *SERVE)
        for name in ("web", "srv"):
            out = cli(
                "run", "--rm", "--network", "back", "busybox", "wget", "-qO-", f"http://{name}/"
            )
            assert out.stdout == "served\n"
        refused = cli("network", "rm", "back", check=False)
        assert "has active endpoints" in refused.stderr
        cli("rm", "-f", "srv")
    finally:
        cli("network", "rm", "back")


def test_containers_reach_no_loopback_service_of_the_host(cli):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        gateway = cli("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge")
        done = cli(
            *("run", "--rm", "busybox", "nc", "-w", "1", gateway.stdout.strip(), str(port)),
            check=False,
        )
        assert done.returncode != 0


def test_a_running_container_learns_its_names_and_servers_with_each_network(engine):
    engine.docker("network", "create", "--subnet", "10.214.7.0/24", "later")
    engine.docker("run", "-d", "--name", "cc", "--hostname", "hh", "busybox", "sleep", "60")

    def inside(command: str) -> str:
        return engine.docker("exec", "cc", "sh", "-c", command).stdout

    try:
        before, inode = inside("cat /etc/hosts"), inside("ls -i /etc/hosts")
        assert inside("cat /etc/resolv.conf").count("127.0.0.11") == 0
        engine.docker("network", "connect", "later", "cc")
        assert inside("cat /etc/hosts") == before + "10.214.7.2\thh\n"
        assert "nameserver 127.0.0.11\n" in inside("cat /etc/resolv.conf")
        assert "10.214.7.2" in inside("nslookup cc 127.0.0.11")
        engine.docker("network", "disconnect", "later", "cc")
        assert inside("cat /etc/hosts") == before
        assert inside("ls -i /etc/hosts") == inode
    finally:
        engine.docker("rm", "-f", "cc")
        engine.docker("network", "rm", "later")
