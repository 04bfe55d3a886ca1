from sampan.swarm.allocator.allocator import Allocator
from sampan.swarm.allocator.subnets import ingress_network
from sampan.swarm.model import Network, Node, Task, new_id
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Action, Create, Event, Remove
from sampan.wire.networks import IPAMConfig, IPAMView
from sampan.wire.services import (
    EndpointChoice,
    NetworkAttachmentConfig,
    PortConfig,
    TaskSpec,
)
from simulation.agents import Behaviour
from simulation.swarm import Swarm, ingress_port, replace, spec
from simulation.virtual import run


async def _network(swarm: Swarm, name: str, subnet: str = "") -> Network:
    ipam = IPAMView(Config=[IPAMConfig(Subnet=subnet)]) if subnet else None
    network = Network(id=new_id(), name=name, ipam=ipam)
    await swarm.store.apply(Create(network))
    await swarm.pass_s(0.1)
    return swarm.tables.find(Network, network.id)


def _on(*names: str) -> dict[str, object]:
    return {"Networks": [NetworkAttachmentConfig(Target=name) for name in names]}


def _addresses(swarm: Swarm) -> list[tuple[str, str]]:
    """All that are held, with their networks."""
    found = []
    for item in swarm.tables.everything():
        if isinstance(item, Node) or (isinstance(item, Task) and item.status.state < 576):
            places = item.attachments if isinstance(item, Node) else item.networks
            found += [(each.network_id, address) for each in places for address in each.addresses]
        elif getattr(item, "endpoint", None) and not isinstance(item, Task):
            found += [(each.network_id, each.addr) for each in item.endpoint.virtual_ips]
    return found


def test_networks_take_turns_in_the_pool_and_ids_count_up() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            one = Network(id=new_id(), name="one")
            two = Network(id=new_id(), name="two")
            await swarm.store.apply(Create(one), Create(two))
            await swarm.pass_s(0.1)
            found = {each.name: each for each in swarm.tables.all(Network)}
            assert found["ingress"].subnets == ("10.0.0.0/24",)
            assert (found["one"].subnets, found["two"].subnets) == (
                ("10.0.1.0/24",),
                ("10.0.2.0/24",),
            )
            assert [each.vni for each in found.values()] == [4096, 4097, 4098]
            assert found["one"].gateways == ("10.0.1.1",)
            await swarm.store.apply(Remove(found["one"]))
            assert (await _network(swarm, "three")).subnets == ("10.0.1.0/24",)

    run(play())


def test_a_service_has_a_virtual_address_and_tasks_their_own_in_each_network() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            net = await _network(swarm, "net", "10.9.0.0/24")
            service_id = await swarm.create(
                spec(replicas=3, template=_on("net"), ports=[ingress_port(80, 8080)])
            )
            await swarm.until_running(service_id, 3)
            endpoint = swarm.service(service_id).endpoint
            ingress = swarm.tables.find_named(Network, "ingress")
            assert [vip.network_id for vip in endpoint.virtual_ips] == [ingress.id, net.id]
            for task in swarm.tasks(service_id):
                assert [each.network_id for each in task.networks] == [ingress.id, net.id]
                assert task.networks[1].addresses[0].startswith("10.9.0.")
                assert task.endpoint == endpoint
            for node in swarm.tables.all(Node):
                assert [each.network_id for each in node.attachments] == [ingress.id, net.id]
            held = _addresses(swarm)
            assert len(held) == len(set(held)) == 2 + 6 + 4

    run(play())


def test_nodes_leave_networks_that_none_of_their_tasks_uses() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            await _network(swarm, "net")
            service_id = await swarm.create(spec(template=_on("net")))
            await swarm.until_running(service_id, 1)
            assert len(swarm.tables.find(Node, node_id).attachments) == 2
            await swarm.remove(service_id)
            await swarm.until(lambda: len(swarm.tables.find(Node, node_id).attachments) == 1)

    run(play())


def test_addresses_are_free_again_when_a_task_ended_and_a_new_leader_knows() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            net = await _network(swarm, "net", "10.9.0.0/29")  # five but the gateway
            service_id = await swarm.create(spec(replicas=4, template=_on("net")))
            await swarm.pass_s(3)
            # one for the service, one for the node once a task is there: one task waits
            waiting = [t for t in swarm.tasks(service_id) if t.status.state == TaskState.NEW]
            assert len(swarm.running_tasks(service_id)) + len(waiting) == 4
            await swarm.new_leader()
            await swarm.update(service_id, spec(replicas=2, image="new", template=_on("net")))
            await swarm.until(lambda: swarm.status(service_id) == "completed", 100)
            held = [address for network, address in _addresses(swarm) if network == net.id]
            assert len(held) == len(set(held)) == 4

    run(play())


def test_a_full_network_says_so_and_serves_who_waits_when_there_is_room() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            await _network(swarm, "net", "10.9.0.0/29")  # five, and the gateway
            robin = EndpointChoice(Mode="dnsrr")
            parts = {"template": _on("net"), "EndpointSpec": robin}
            first = await swarm.create(spec("first", replicas=5, **parts))
            await swarm.until_running(first, 5)
            second = await swarm.create(spec("second", replicas=2, **parts))
            await swarm.pass_s(5)
            waiting = swarm.tasks(second, TaskState.NEW)
            assert len(waiting) == 2
            [why] = {task.status.err for task in waiting}
            assert why == (
                "could not find an available IP while allocating an address of network "
                "net (10.9.0.0/29)"
            )
            await swarm.scale(first, 2)
            await swarm.until_running(second, 2)
            assert not any(task.status.err for task in swarm.tasks(second))

    run(play())


def test_an_address_that_is_being_written_is_not_given_again() -> None:
    async def play() -> None:
        swarm = Swarm()
        parts = {"name": "net", "subnets": ("10.9.0.0/30",), "gateways": ("10.9.0.1",)}
        tasks = [Task(id=new_id(), spec=TaskSpec(**_on("net")), node_id="n") for _ in range(2)]
        await swarm.store.apply(
            Create(Network(id=new_id(), vni=4096, **parts)), *map(Create, tasks)
        )
        allocator = Allocator(swarm.store, swarm.clock)
        allocator.seed()
        [[first]] = allocator.plan((Task.KIND, tasks[0].id))
        stored = swarm.tables.find(Task, tasks[0].id)
        allocator.keys(Event(Action.CREATED, stored, None))  # seen only now
        [[second]] = allocator.plan((Task.KIND, tasks[1].id))
        assert first.item.networks[0].addresses == ("10.9.0.2/30",)  # the only one
        assert second.item.networks == ()
        allocator.refused([first])
        allocator.refused([second])
        [[third]] = allocator.plan((Task.KIND, tasks[1].id))
        assert third.item.networks[0].addresses

    run(play())


def test_ports_are_given_from_the_pool_kept_and_given_back() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            service_id = await swarm.create(spec(ports=[ingress_port(80), ingress_port(81)]))
            await swarm.until_running(service_id, 1)
            ports = [port.PublishedPort for port in swarm.service(service_id).endpoint.ports]
            assert ports == [30000, 30001]
            task = swarm.tasks(service_id)[0]
            await swarm.update(service_id, spec(ports=[ingress_port(80), ingress_port(81)]))
            await swarm.pass_s(5)
            assert swarm.running_tasks(service_id)[0].id == task.id  # nothing changed for it
            wanted = spec(ports=[ingress_port(81), ingress_port(82, 30000)])
            await swarm.update(service_id, wanted)
            await swarm.until(lambda: swarm.status(service_id) == "completed")
            ports = [port.PublishedPort for port in swarm.service(service_id).endpoint.ports]
            assert ports == [30001, 30000]
            assert swarm.running_tasks(service_id)[0].endpoint == swarm.service(service_id).endpoint

    run(play())


def test_a_second_holder_of_a_port_waits_until_the_first_is_gone() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            first = await swarm.create(spec("first", ports=[ingress_port(80, 80)]))
            await swarm.until_running(first, 1)
            second = await swarm.create(spec("second", ports=[ingress_port(80, 80)]))
            await swarm.pass_s(5)
            assert swarm.tasks(second)[0].status.state == TaskState.NEW
            await swarm.remove(first)
            await swarm.until_running(second, 1)

    run(play())


def test_round_robin_names_and_networks_of_the_node_take_no_address() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            await _network(swarm, "net")
            robin = EndpointChoice(Mode="dnsrr")
            service_id = await swarm.create(spec(template=_on("net"), EndpointSpec=robin))
            await swarm.until_running(service_id, 1)
            endpoint = swarm.service(service_id).endpoint
            assert (endpoint.mode, endpoint.virtual_ips) == ("dnsrr", ())
            own = await swarm.create(spec("own", template=_on("host")))
            await swarm.until_running(own, 1)
            [place] = swarm.tasks(own)[0].networks
            assert (place.network_id, place.addresses) == ("host", ())

    run(play())


def test_tasks_wait_for_their_network() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            service_id = await swarm.create(spec(template=_on("late")))
            await swarm.pass_s(5)
            assert swarm.tasks(service_id)[0].status.state == TaskState.NEW
            await _network(swarm, "late")
            await swarm.until_running(service_id, 1)

    run(play())


def test_host_ports_are_not_taken_in_the_cluster() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            port = PortConfig(TargetPort=80, PublishedPort=80, PublishMode="host")
            made = [await swarm.create(spec(name, ports=[port])) for name in ("a", "b")]
            for service_id in made:
                await swarm.until_running(service_id, 1)
            assert {swarm.tasks(each)[0].node_id for each in made} == set(nodes)

    run(play())


def test_a_plain_containers_place_is_allocated_confirmed_and_cleared_away() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            await _network(swarm, "net")
            asked = [NetworkAttachmentConfig(Target="net", Aliases=["box"])]
            swarm.agents.behave = lambda task: Behaviour(runs_for_s=5, ends=TaskState.COMPLETE)
            task = Task(id=new_id(), spec=TaskSpec(Networks=asked), node_id=node_id)
            await swarm.store.apply(Create(task))
            await swarm.pass_s(2)
            task = swarm.tables.find(Task, task.id)
            assert task.status.state == TaskState.RUNNING
            [place] = task.networks
            assert place.aliases == ("box",)
            assert place.addresses[0].startswith("10.0.1.")
            await swarm.until(lambda: swarm.tables.count(Task) == 0)

    run(play())


def test_ingress_may_be_made_anew_under_another_name() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            await swarm.pass_s(0.1)
            await swarm.store.apply(Remove(swarm.tables.find_named(Network, "ingress")))
            await swarm.pass_s(0.1)
            assert swarm.tables.find(Node, node_id).attachments == ()
            service_id = await swarm.create(spec(ports=[ingress_port(80, 80)]))
            await swarm.pass_s(2)
            assert not swarm.running_tasks(service_id)
            await swarm.store.apply(Create(replace(ingress_network(), name="mesh")))
            await swarm.until_running(service_id, 1)
            assert len(swarm.tables.find(Node, node_id).attachments) == 1

    run(play())
