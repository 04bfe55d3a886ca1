"""Networks of the swarm: made, refused, removed, shown with who is in them."""

import json

import pytest

from sampan.errors import AlreadyExists, InvalidArgument, NotFound, Unsupported
from sampan.swarm.control.networks import view
from sampan.swarm.model import (
    Attachment,
    Endpoint,
    Service,
    Task,
    TaskStatus,
    VirtualIP,
)
from sampan.swarm.states import TaskState
from sampan.wire import codec
from sampan.wire.networks import NetworkContainer, NetworkCreate
from sampan.wire.services import (
    NetworkAttachmentConfig,
    PortConfig,
    TaskSpec,
)
from unit.swarm.control.conftest import spec

PRECONDITION = "rpc error: code = FailedPrecondition desc = "


def shown(value):
    return json.loads(codec.encode(value))


def create_network(manager, name="ov", **more):
    return manager.do(manager.control.networks.create(NetworkCreate(Name=name, **more)))


def test_a_swarm_network_is_shown_as_dockerd_shows_it(manager):
    create_network(manager, Driver="overlay", Attachable=True, Labels={"q": "r"})
    view_ = shown(view(manager.control.networks.find("ov")))
    assert view_["Scope"] == "swarm"
    assert view_["IPAM"] == {"Driver": "default", "Options": None, "Config": []}
    assert view_["Attachable"] is True


def test_a_network_s_nodes_and_services_as_docker_shows_them(manager):
    """The documents are dockerd 20.10's, but for what it numbers itself."""
    port = PortConfig(Protocol="tcp", TargetPort=80, PublishedPort=8081, PublishMode="ingress")
    manager.network("mesh", ingress=True)
    manager.network("app")
    places = {"meshid": "10.0.0", "appid": "10.0.1"}
    for number in (1, 2):
        at = Attachment(network_id="meshid", addresses=(f"10.0.0.{number}/24",))
        address = f"192.0.2.{number}"
        manager.node(f"node{number}", data_path_addr=address, attachments=(at,))
    for name, mode in (("web", "vip"), ("turns", "dnsrr")):
        vips = tuple(VirtualIP(network_id=one, addr=f"{net}.9/24") for one, net in places.items())
        endpoint = Endpoint(mode=mode, ports=(port,), virtual_ips=vips)
        manager.put(Service(id=name, spec=spec(name), endpoint=endpoint))
    states = {"web": TaskState.RUNNING, "turns": TaskState.RUNNING, "over": TaskState.FAILED}
    for number, (name, state) in enumerate(states.items(), start=5):
        manager.put(
            Task(
                id=f"t{number}",
                spec=TaskSpec(),
                service_id=name,
                service_name=name,
                slot=1,
                node_id="node1",
                status=TaskStatus(state=state),
                networks=tuple(
                    Attachment(network_id=one, addresses=(f"{net}.{number}/24",))
                    for one, net in places.items()
                ),
            )
        )
    networks = manager.control.networks

    def detailed(name, *, verbose=True, containers=None):
        network = networks.find(name)
        return shown(networks.detailed(view(network, containers), network, verbose=verbose))

    assert detailed("app")["Peers"] == [{"Name": "node1", "IP": "192.0.2.1"}]
    assert detailed("mesh")["Peers"][1] == {"Name": "node2", "IP": "192.0.2.2"}
    here = {"c": NetworkContainer(EndpointID="e", IPv4Address="10.0.1.5/24")}
    services = detailed("app", containers=here)["Services"]
    assert set(services) == {"web", "turns"}
    assert services["turns"]["VIP"] == "<nil>"
    info = {"Host IP": "192.0.2.1"}
    assert services["web"] == {
        "VIP": "10.0.1.9",
        "Ports": [],
        "LocalLBIndex": 0,
        "Tasks": [{"Name": "web.1.t5", "EndpointID": "e", "EndpointIP": "10.0.1.5", "Info": info}],
    }
    assert detailed("mesh")["Services"]["web"]["Ports"] == ["Target: 80, Publish: 8081"]
    assert "Services" not in detailed("app", verbose=False)


def test_networks_that_cant_be(manager):
    create_network(manager, "in", Ingress=True)
    with pytest.raises(AlreadyExists, match=r"ingress network \(.*\) is already present"):
        create_network(manager, "in2", Ingress=True)
    with pytest.raises(AlreadyExists, match="network with name in already exists"):
        create_network(manager, "in")
    with pytest.raises(Unsupported, match="encrypted overlay networks are not supported"):
        create_network(manager, "e", Driver="overlay", Options={"encrypted": ""})


def test_a_network_in_use_stays(manager):
    identifier = create_network(manager)
    service = manager.service(Networks=[NetworkAttachmentConfig(Target="ov")])
    networks = manager.control.networks
    with pytest.raises(InvalidArgument) as caught:
        manager.do(networks.remove(networks.find("ov")))
    assert caught.value.message == (
        f"{PRECONDITION}network {identifier} is in use by service {service}"
    )
    manager.do(manager.control.services.remove("web"))
    manager.do(networks.remove(networks.find("ov")))
    with pytest.raises(NotFound, match="network ov not found"):
        networks.find("ov")
