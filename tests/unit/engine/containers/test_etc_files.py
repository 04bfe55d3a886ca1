import pytest

from sampan.engine.containers import etc_files
from sampan.engine.containers.etc_files import EtcFacts, EtcFiles
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.validate import NoHostGateway
from sampan.wire.containers import HostSettings
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
