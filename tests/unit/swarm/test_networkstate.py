"""States of overlay networks: derived from the tables, kept up by commits."""

from typing import TypeVar

import msgspec
import pytest

from sampan.swarm.model import (
    Attachment,
    Endpoint,
    Network,
    Node,
    NodeStatus,
    Service,
    Task,
    TaskStatus,
    VirtualIP,
)
from sampan.swarm.networkmap import NetworkStates, ingress_ports, network_states
from sampan.swarm.networkstate import IngressPort, NetworkState, Peer, TaskName
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Create, Remove, Update
from sampan.swarm.store.memory import MemoryStore
from sampan.wire.services import (
    NetworkAttachmentConfig,
    PortConfig,
    ServiceSpec,
    TaskSpec,
)
from sampan.wire.swarm import NodeSpec

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def node(name: str, *, state: NodeState = NodeState.READY, version: int = 0) -> Node:
    number = int(name[1:])
    return Node(
        id=name,
        version=version,
        spec=NodeSpec(),
        status=NodeStatus(state=state),
        data_path_addr=f"192.0.2.{number}",
        attachments=(Attachment(network_id="ingress", addresses=(f"10.0.0.{number}/24",)),),
    )


def network(name: str, vni: int) -> Network:
    return Network(
        id=name, name=name, vni=vni, subnets=(f"10.0.{vni}.0/24",), ingress=name == "ingress"
    )


def service(name: str, *, mode: str = "vip", ports: tuple[PortConfig, ...] = ()) -> Service:
    vips = (
        VirtualIP(network_id="front", addr="10.0.1.2/24"),
        VirtualIP(network_id="ingress", addr="10.0.0.2/24"),
    )
    asked = NetworkAttachmentConfig(Target="front", Aliases=["www"])
    return Service(
        id=f"id-{name}",
        spec=ServiceSpec(Name=name, TaskTemplate=TaskSpec(Networks=[asked])),
        endpoint=Endpoint(mode=mode, ports=ports, virtual_ips=vips if mode == "vip" else ()),
    )


def task(
    number: int,
    where: str,
    *,
    state: TaskState = TaskState.RUNNING,
    desired: TaskState = TaskState.RUNNING,
    service_name: str = "web",
) -> Task:
    return Task(
        id=f"t{number}",
        spec=TaskSpec(),
        service_id=f"id-{service_name}",
        service_name=service_name,
        slot=number,
        node_id=where,
        status=TaskStatus(state=state),
        desired_state=desired,
        networks=(
            Attachment(network_id="front", addresses=(f"10.0.1.{number + 10}/24",)),
            Attachment(network_id="ingress", addresses=(f"10.0.0.{number + 10}/24",)),
        ),
    )


async def swarm(*items: Network | Node | Service | Task) -> MemoryStore:
    store = MemoryStore()
    await store.apply(
        *(Create(item) for item in (network("front", 1), network("ingress", 0x1000), *items))
    )
    return store


PORT = PortConfig(Protocol="tcp", TargetPort=80, PublishedPort=8080, PublishMode="ingress")


def front(states: tuple[NetworkState, ...]) -> NetworkState:
    return next(state for state in states if state.name == "front")


async def test_a_service_on_two_nodes() -> None:
    store = await swarm(node("n1"), node("n2"), service("web"), task(1, "n1"), task(2, "n2"))
    found = front(network_states(store.tables, "n1"))
    assert found.peers == (
        Peer(address="10.0.1.11", vtep="192.0.2.1"),
        Peer(address="10.0.1.12", vtep="192.0.2.2"),
    )
    assert found.peers[0].mac == "02:42:0a:00:01:0b"
    (web,) = found.services
    assert (web.name, web.vip, web.aliases) == ("web", "10.0.1.2", ("www",))
    assert web.backends == ("10.0.1.11", "10.0.1.12")
    assert TaskName(names=("web.1.t1",), address="10.0.1.11") in found.tasks


async def test_a_node_without_a_task_has_ingress_alone() -> None:
    web = service("web", ports=(PORT,))
    store = await swarm(node("n1"), node("n2"), web, task(1, "n1"))
    (mesh,) = network_states(store.tables, "n2")
    assert mesh.ingress
    assert mesh.node_address == "10.0.0.2/24"
    assert {peer.address for peer in mesh.peers} == {"10.0.0.11", "10.0.0.1", "10.0.0.2"}
    assert ingress_ports(store.tables) == (
        IngressPort(protocol="tcp", published=8080, target=80, backends=("10.0.0.11",)),
    )


@pytest.mark.parametrize(
    ("state", "desired", "is_peer", "is_backend"),
    [
        (TaskState.ASSIGNED, TaskState.RUNNING, True, False),
        (TaskState.STARTING, TaskState.RUNNING, True, False),
        (TaskState.RUNNING, TaskState.RUNNING, True, True),
        (TaskState.RUNNING, TaskState.COMPLETE, True, True),
        (TaskState.RUNNING, TaskState.SHUTDOWN, True, False),
        (TaskState.SHUTDOWN, TaskState.SHUTDOWN, False, False),
        (TaskState.FAILED, TaskState.RUNNING, False, False),
    ],
)
async def test_who_is_reachable_and_who_is_led_to(
    *, state: TaskState, desired: TaskState, is_peer: bool, is_backend: bool
) -> None:
    tasks = task(1, "n1"), task(2, "n2", state=state, desired=desired)
    store = await swarm(node("n1"), node("n2"), service("web"), *tasks)
    found = front(network_states(store.tables, "n1"))
    assert ("10.0.1.12" in {peer.address for peer in found.peers}) == is_peer
    assert ("10.0.1.12" in found.services[0].backends) == is_backend


async def test_tasks_of_a_node_that_is_down_are_not_led_to() -> None:
    nodes = node("n1"), node("n2", state=NodeState.DOWN)
    store = await swarm(*nodes, service("web"), task(1, "n1"), task(2, "n2"))
    assert front(network_states(store.tables, "n1")).services[0].backends == ("10.0.1.11",)


async def test_dns_round_robin_has_no_virtual_address() -> None:
    store = await swarm(node("n1"), service("web", mode="dnsrr"), task(1, "n1"))
    (web,) = front(network_states(store.tables, "n1")).services
    assert (web.vip, web.backends) == ("", ("10.0.1.11",))


async def test_a_service_without_tasks_keeps_its_name() -> None:
    store = await swarm(node("n1"), service("web"), service("db"), task(1, "n1", service_name="db"))
    names = {state.name: state for state in front(network_states(store.tables, "n1")).services}
    assert names["web"].backends == ()
    assert names["web"].vip == "10.0.1.2"


async def test_a_plain_container_is_called_what_it_was_attached_with() -> None:
    place = Attachment(
        network_id="front", addresses=("10.0.1.30/24",), aliases=("shell", "0123456789ab")
    )
    plain = Task(
        id="p1",
        spec=TaskSpec(),
        node_id="n1",
        status=TaskStatus(state=TaskState.RUNNING),
        networks=(place,),
    )
    store = await swarm(node("n1"), plain)
    found = front(network_states(store.tables, "n1"))
    assert found.tasks == (TaskName(names=("shell", "0123456789ab"), address="10.0.1.30"),)
    assert found.services == ()


async def test_following_commits_gives_what_starting_afresh_gives() -> None:
    store = await swarm(node("n1"), node("n2"), service("web", ports=(PORT,)))
    states = NetworkStates(store.tables)
    with store.watch() as commits:
        steps = [
            lambda: Create(task(1, "n1", state=TaskState.ASSIGNED)),
            lambda: Create(task(2, "n2")),
            lambda: Update(_changed(store, task(1, "n1"))),
            lambda: Update(_changed(store, node("n2", state=NodeState.DOWN))),
            lambda: Update(_changed(store, node("n2"))),
            lambda: Update(_changed(store, task(2, "n2", desired=TaskState.SHUTDOWN))),
            lambda: Update(_changed(store, task(2, "n2", state=TaskState.SHUTDOWN))),
            lambda: Remove(_changed(store, task(2, "n2", state=TaskState.SHUTDOWN))),
            lambda: Remove(_changed(store, service("web"))),
        ]
        for step in steps:
            await store.apply(step())
            states.follow(await anext(commits))
            for name in ("n1", "n2"):
                assert states.of(name) == network_states(store.tables, name)
            assert states.ingress() == ingress_ports(store.tables)


Item = TypeVar("Item", Task, Node, Service)


def _changed(store: MemoryStore, item: Item) -> Item:
    found = store.tables.find(type(item), item.id)
    assert found is not None
    return msgspec.structs.replace(item, version=found.version)


async def test_what_states_do_not_show_changes_nothing() -> None:
    store = await swarm(node("n1"), service("web"), task(1, "n1"))
    states = NetworkStates(store.tables)
    before = states.of("n1")
    with store.watch() as commits:
        noted = msgspec.structs.replace(
            _changed(store, task(1, "n1")),
            status=TaskStatus(state=TaskState.RUNNING, message="still there"),
        )
        await store.apply(Update(noted))
        assert states.follow(await anext(commits)) == frozenset()
    assert all(one is other for one, other in zip(before, states.of("n1"), strict=True))


async def test_a_change_touches_its_own_networks_only() -> None:
    """Ten thousand tasks in other networks are not looked at: none of their states is made anew."""
    store = await swarm(node("n1"), service("web"), task(1, "n1"))
    await store.apply(Create(network("back", 2)))
    lone = Task(
        id="b1",
        spec=TaskSpec(),
        node_id="n1",
        status=TaskStatus(state=TaskState.RUNNING),
        networks=(Attachment(network_id="back", addresses=("10.0.2.3/24",)),),
    )
    states = NetworkStates(store.tables)
    kept = front(states.of("n1"))
    with store.watch() as commits:
        await store.apply(Create(lone))
        assert states.follow(await anext(commits)) == {"back"}
    assert front(states.of("n1")) is kept
    assert {state.name for state in states.of("n1")} == {"front", "back", "ingress"}
