"""Networks through the docker CLI and a whole engine: what users type, and what they read."""

import json
import time
import urllib.request
from pathlib import Path

import pytest

from integration.harness import BUSYBOX, Engine

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def no_networks_left(engine: Engine):
    yield
    names = engine.docker("ps", "-aq").stdout.split()
    if names:
        engine.docker("rm", "-f", *names)
    engine.docker("network", "prune", "-f")


def run(engine, *arguments):
    return engine.docker("run", "--rm", *arguments).stdout


def serve(engine, name, *options):
    script = "echo served > index.html; httpd -f -p [::]:80"
    engine.docker("run", "-d", "--name", name, *options, BUSYBOX, "sh", "-c", script)
    wait = "for n in 1 2 3 4 5 6 7 8 9; do wget -qO- http://127.0.0.1/ && exit; sleep 0.1; done"
    assert engine.docker("exec", name, "sh", "-c", wait).stdout == "served\n"


def fetched(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def test_ports_on_ipv6(engine: Engine):
    engine.docker("network", "create", "--ipv6", "--subnet", "fd00:214::/64", "six")
    serve(engine, "web", "--network", "six", "-p", "80")
    ports = engine.docker("port", "web").stdout.split("\n")
    number = ports[0].rpartition(":")[2]
    assert ports == [f"80/tcp -> 0.0.0.0:{number}", f"80/tcp -> [::]:{number}", ""]
    assert f"[::]:{number}->80/tcp" in engine.sampan("ps", "--format", "{{.Ports}}").stdout
    for host in ("127.0.0.1", "[::1]", "[fd00:214::1]"):
        assert fetched(f"http://{host}:{number}/") == b"served\n"
    form = "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}"
    assert engine.docker("inspect", "-f", form, "web").stdout == "fd00:214::2\n"
    asked = run(engine, "--network", "six", BUSYBOX, "nslookup", "-type=aaaa", "web")
    assert "fd00:214::2" in asked
    assert run(engine, "--network", "six", BUSYBOX, "wget", "-qO-", "http://[fd00:214::2]/")
    info = json.loads(engine.docker("network", "inspect", "six").stdout)[0]
    assert info["EnableIPv6"] is True
    assert info["IPAM"]["Config"][1] == {"Subnet": "fd00:214::/64", "Gateway": "fd00:214::1"}


def test_port_on_the_hosts_own_ipv6_loopback(engine: Engine):
    serve(engine, "web", "-p", "[::1]::80")
    address = engine.docker("port", "web", "80").stdout.strip()
    assert address.startswith("[::1]:")
    assert fetched(f"http://{address}/") == b"served\n"


def test_search_domains_and_reverse_names(engine: Engine):
    engine.docker("network", "create", "net")
    serve(engine, "web", "--network", "net", "--network-alias", "web.corp.test")
    options = ("--network", "net", "--dns-search", "corp.test", BUSYBOX)
    assert run(engine, *options, "wget", "-qO-", "http://web/") == "served\n"
    address = engine.docker(
        "inspect", "-f", "{{.NetworkSettings.Networks.net.IPAddress}}", "web"
    ).stdout.strip()
    assert "web.net" in run(engine, "--network", "net", BUSYBOX, "nslookup", address)


def test_the_host_has_a_name(engine: Engine):
    gateway = engine.docker(
        "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"
    ).stdout.strip()
    hosts = run(
        engine, "--add-host", "host.docker.internal:host-gateway", BUSYBOX, "cat", "/etc/hosts"
    )
    assert f"{gateway}\thost.docker.internal\n" in hosts
    engine.docker("network", "create", "--subnet", "10.217.0.0/24", "net")
    found = run(engine, "--network", "net", BUSYBOX, "nslookup", "host.docker.internal")
    assert "10.217.0.1" in found


def test_host_network_has_the_hosts_resolv_conf(engine: Engine):
    text = run(engine, "--network", "host", BUSYBOX, "cat", "/etc/resolv.conf")
    assert text == Path("/etc/resolv.conf").read_text()
    asked = run(engine, "--network", "host", "--dns", "9.8.7.6", BUSYBOX, "cat", "/etc/resolv.conf")
    assert "nameserver 9.8.7.6\n" in asked


def test_options_of_the_bridge_driver(engine: Engine):
    prefix = "com.docker.network"
    name = f"sv{engine.tag}x"
    engine.docker(
        *("network", "create", "--subnet", "10.217.0.0/24"),
        *("-o", f"{prefix}.bridge.name={name}", "-o", f"{prefix}.driver.mtu=1300"),
        *("-o", f"{prefix}.container_iface_prefix=lan"),
        *("-o", f"{prefix}.bridge.host_binding_ipv4=127.0.0.1", "net"),
    )
    assert Path(f"/sys/class/net/{name}/mtu").read_text() == "1300\n"
    shown = run(engine, "--network", "net", BUSYBOX, "ip", "link", "show", "lan0")
    assert "mtu 1300" in shown
    serve(engine, "web", "--network", "net", "-p", "80")
    assert engine.docker("port", "web", "80").stdout.startswith("127.0.0.1:")


def test_macvlan_alone(engine: Engine):
    engine.docker("network", "create", "-d", "macvlan", "--subnet", "10.217.0.0/24", "mv")
    serve(engine, "web", "--network", "mv")
    assert run(engine, "--network", "mv", BUSYBOX, "wget", "-qO-", "http://web/") == "served\n"
    options = ("--filter", "type=network", "--filter", "event=connect", "--since", "1m")
    shown = engine.docker(
        "events", *options, "--until", f"{time.time():.9f}", "--format", "{{.Actor.Attributes}}"
    )
    assert "type:macvlan" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--subnet", "10.217.0.0/16"), "Pool overlaps with other one on this address space"),
        (
            ("--subnet", "10.218.0.0/24", "--gateway", "10.219.0.1"),
            "no matching subnet for gateway",
        ),
        (
            ("-o", "com.docker.network.driver.mtu=x"),
            "failed to parse com.docker.network.driver.mtu",
        ),
        (("-d", "ipvlan", "-o", "ipvlan_mode=l9"), "requested ipvlan mode 'l9' is not valid"),
        (("-d", "macvlan", "-o", "parent=lo"), "loopback interface is not a valid macvlan parent"),
    ],
)
def test_refusals(engine: Engine, arguments, said):
    engine.docker("network", "create", "--subnet", "10.217.0.0/24", "net")
    refused = engine.docker("network", "create", *arguments, "other", check=False)
    assert refused.returncode == 1
    assert said in refused.stderr
