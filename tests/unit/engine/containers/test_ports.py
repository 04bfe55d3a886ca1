import pytest

from sampan.engine.containers.ports import (
    bindings_view,
    exposed,
    parse_port,
    port_requests,
)
from sampan.errors import InvalidArgument
from sampan.network.model import PortRequest, PublishedPort
from sampan.wire.containers import ContainerConfig, HostSettings, PortBinding


def requests(config=None, **host):
    return list(port_requests(config or ContainerConfig(), HostSettings(**host)))


def test_bindings_become_requests():
    bindings = {
        "80/tcp": [PortBinding(HostIp="127.0.0.1", HostPort="8080"), PortBinding()],
        "53/udp": [PortBinding(HostPort="1000-1010")],
    }
    assert requests(PortBindings=bindings) == [
        PortRequest("udp", 53, "", 1000, 1010),
        PortRequest("tcp", 80, "127.0.0.1", 8080),
        PortRequest("tcp", 80),
    ]


def test_publish_all_takes_every_exposed_port_once():
    config = ContainerConfig(ExposedPorts={"80/tcp": {}, "90-91/udp": {}})
    found = requests(
        config, PublishAllPorts=True, PortBindings={"80/tcp": [PortBinding(HostPort="1")]}
    )
    assert [(one.container_port, one.host_port) for one in found] == [(80, 1), (90, 0), (91, 0)]


@pytest.mark.parametrize("text", ["zz", "70000", "9-1", "-1", "80/xxx", ""])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(InvalidArgument):
        parse_port(text)


def test_unpublished_ports_show_as_null():
    config = ContainerConfig(ExposedPorts={"80/tcp": {}, "odd": {}})
    declared = exposed(config, HostSettings(PortBindings={"90/udp": []}))
    view = bindings_view((PublishedPort("udp", 90, "0.0.0.0", 90),), declared)
    assert view == {"80/tcp": None, "90/udp": [PortBinding(HostIp="0.0.0.0", HostPort="90")]}
