from dataclasses import replace

import pytest

from sampan.engine.containers import etc_files
from sampan.engine.containers.etc_files import EtcFacts, EtcFiles
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Attachment
from sampan.engine.containers.validate import NoHostGateway
from sampan.network.model import Endpoint
from sampan.wire.containers import EndpointSettings, HostSettings
from unit.engine.containers.samples import container

RESOLV_CONF = "# as it is\nnameserver 127.0.0.53\nsearch a b\noptions edns0\n"
NO_FACTS = EtcFacts()


@pytest.fixture
def written(tmp_path, monkeypatch):
    paths = ContainerPaths(tmp_path / "data", tmp_path / "exec")
    resolv_conf = tmp_path / "host"
    resolv_conf.write_text(RESOLV_CONF)
    monkeypatch.setattr(etc_files, "HOST_RESOLV_CONF", resolv_conf)

    def write(host, facts=NO_FACTS):
        one = container(host=host)
        paths.resolv_conf(one.id).parent.mkdir(parents=True)
        EtcFiles(paths=paths).write(one, facts)
        return paths.resolv_conf(one.id).read_text(), paths.hosts(one.id).read_text()

    return write


def test_host_network_has_the_hosts_resolv_conf_as_it_is(written):
    assert written(HostSettings(NetworkMode="host"))[0] == RESOLV_CONF


def test_what_was_asked_for_replaces_its_part_of_it(written):
    text, _ = written(HostSettings(NetworkMode="host", DnsSearch=["c"]))
    assert text == "search c\nnameserver 127.0.0.53\noptions edns0\n"


def test_host_gateway_stands_for_the_address_of_the_bridge(written):
    host = HostSettings(NetworkMode="bridge", ExtraHosts=["x:host-gateway", "y:10.0.0.9"])
    _, hosts = written(host, EtcFacts(host_gateway="10.0.0.1"))
    assert "10.0.0.1\tx\n10.0.0.9\ty\n" in hosts
    with pytest.raises(NoHostGateway):
        written(host)


def connected(one, *names):
    networks = {}
    for number, name in enumerate(names, start=1):
        end = Endpoint(name, name, name, ipv4=f"10.0.0.{number}", dns_names=("c",))
        networks[name] = Attachment(name, EndpointSettings(), end)
    return replace(one, networks=networks)


def test_a_running_container_keeps_what_it_wrote_when_its_networks_change(tmp_path, monkeypatch):
    monkeypatch.setattr(etc_files, "HOST_RESOLV_CONF", tmp_path / "none")
    monkeypatch.setattr(etc_files, "read_host_resolv_conf", lambda: "nameserver 9.9.9.9\n")
    paths = ContainerPaths(tmp_path / "data", tmp_path / "exec")
    one = container(host=HostSettings(NetworkMode="bridge"))
    hosts, resolv_conf = paths.hosts(one.id), paths.resolv_conf(one.id)
    hosts.parent.mkdir(parents=True)
    etc = EtcFiles(paths=paths)
    etc.write(one, NO_FACTS)
    before, inode = hosts.read_text(), hosts.stat().st_ino
    hosts.write_text(before + "1.2.3.4 mine")
    resolv_conf.write_text(resolv_conf.read_text() + "search x\n")
    first, both = connected(one, "a"), connected(one, "a", "b")
    etc.networks_changed(one, first)
    etc.networks_changed(first, both)
    name = one.config.Hostname
    own = f"1.2.3.4 mine\n10.0.0.1\t{name}\n10.0.0.2\t{name}\n"
    assert hosts.read_text() == before + own
    assert resolv_conf.read_text() == "search x\nnameserver 127.0.0.11\noptions ndots:0\n"
    etc.networks_changed(both, first)
    etc.networks_changed(first, one)
    assert hosts.read_text() == before + "1.2.3.4 mine\n"
    assert hosts.stat().st_ino == inode
    hosts.write_bytes(b"x" * (2 << 20))  # filled by the container: left as it is
    etc.networks_changed(one, first)
    assert hosts.stat().st_size == 2 << 20


def test_servers_that_the_container_chose_stay(tmp_path):
    paths = ContainerPaths(tmp_path / "data", tmp_path / "exec")
    one = container(host=HostSettings(NetworkMode="bridge", Dns=["9.9.9.9"]))
    resolv_conf = paths.resolv_conf(one.id)
    resolv_conf.parent.mkdir(parents=True)
    etc = EtcFiles(paths=paths)
    etc.write(one, NO_FACTS)
    resolv_conf.write_text("nameserver 8.8.8.8\n")
    etc.networks_changed(one, connected(one, "a"))
    assert resolv_conf.read_text() == "nameserver 8.8.8.8\n"
