"""What the swarm tells of networks, translated for networking; failures tried again."""

import asyncio
from contextlib import suppress

import pytest

from sampan.daemon.overlay_feed import OverlayFeed, topology
from sampan.network.overlay_model import MeshPort, OverlayPeer, OverlayService, Topology
from sampan.swarm.networkstate import (
    IngressPort,
    NetworkState,
    NodeNetworks,
    Peer,
    ServiceState,
    TaskName,
)

pytestmark = pytest.mark.anyio

TOLD = NodeNetworks(
    vtep="192.0.2.1",
    data_path_port=4790,
    networks=(
        NetworkState(
            id="n",
            name="front",
            vni=4097,
            subnets=("10.0.1.0/24",),
            gateways=("10.0.1.1",),
            mtu=1400,
            internal=True,
            attachable=True,
            options={"encrypted": ""},
            labels={"a": "b"},
            node_address="10.0.1.9/24",
            peers=(Peer(address="10.0.1.3", vtep="192.0.2.2"),),
            services=(
                ServiceState(name="web", aliases=("www",), vip="10.0.1.2", backends=("10.0.1.3",)),
            ),
            tasks=(TaskName(names=("web.1.x",), address="10.0.1.3"),),
        ),
    ),
    ingress=(IngressPort(protocol="tcp", published=8080, target=80, backends=("10.0.0.3",)),),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Network:
    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[Topology, bool]] = []
        self.called = asyncio.Event()

    async def apply(self, wanted: Topology, *, thorough: bool = False) -> list[str]:
        self.calls.append((wanted, thorough))
        self.called.set()
        return self.answers.pop(0) if self.answers else []


def test_nothing_is_lost_in_translation() -> None:
    found = topology(TOLD)
    (state,) = found.networks
    assert (found.vtep, found.port) == ("192.0.2.1", 4790)
    assert found.mesh == (MeshPort("tcp", 8080, 80, ("10.0.0.3",)),)
    assert (state.id, state.name, state.vni, state.mtu) == ("n", "front", 4097, 1400)
    assert (state.subnets, state.gateways) == (("10.0.1.0/24",), ("10.0.1.1",))
    assert (state.internal, state.attachable, state.ingress) == (True, True, False)
    assert (state.options, state.labels) == ({"encrypted": ""}, {"a": "b"})
    assert state.node_address == "10.0.1.9/24"
    assert state.peers == (OverlayPeer("10.0.1.3", "192.0.2.2"),)
    assert state.services == (OverlayService("web", ("www",), "10.0.1.2", ("10.0.1.3",)),)
    assert [(task.names, task.address) for task in state.tasks] == [(("web.1.x",), "10.0.1.3")]


async def test_what_failed_is_tried_again_until_it_is_done() -> None:
    network = Network(["port 8080 is taken"], ["port 8080 is taken"])
    feed = OverlayFeed(network, retry_s=0)
    await feed.apply(TOLD)
    assert feed.problems == ("port 8080 is taken",)
    running = asyncio.create_task(feed.run())
    while len(network.calls) < 3:
        network.called.clear()
        await network.called.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert feed.problems == ()
    assert [thorough for _, thorough in network.calls] == [False, True, True]


async def test_a_node_that_leaves_has_no_networks() -> None:
    network = Network()
    feed = OverlayFeed(network)
    await feed.apply(TOLD)
    await feed.leave()
    assert network.calls[-1] == (Topology(), False)
