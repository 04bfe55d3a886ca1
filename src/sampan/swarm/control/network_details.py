"""Who is in a network of the swarm, as `network inspect --verbose` shows it: nodes, and services.

It's what the store says of all nodes, so every manager shows the same. What Docker numbers for its
own balancing (`LocalLBIndex`) is 0. An endpoint has an id on its own node only.
"""

from collections.abc import Iterable, Iterator, Mapping

from sampan.swarm.model import Attachment, Network, Node, Service, Task
from sampan.swarm.networkindex import WANTED, is_placed
from sampan.swarm.states import TaskState
from sampan.swarm.store.tables import Tables
from sampan.wire.networks import (
    NetworkContainer,
    NetworkPeer,
    NetworkService,
    NetworkServiceTask,
)

NO_ADDRESS = "<nil>"  # Docker's: with DNS round robin, and for containers without a service
NAME_LENGTH = 12


def peers(tables: Tables, network: Network) -> list[NetworkPeer]:
    """Nodes with a part in it, in order of their addresses."""
    there = {task.node_id for task in tables.all(Task) if is_placed(task) and _place(task, network)}
    return sorted(
        (
            NetworkPeer(Name=node.id[:NAME_LENGTH], IP=node.data_path_addr)
            for node in tables.all(Node)
            if node.id in there or (network.ingress and _at(node.attachments, network))
        ),
        key=lambda peer: peer.IP,
    )


def services(
    tables: Tables, network: Network, here: Mapping[str, NetworkContainer]
) -> dict[str, NetworkService]:
    """By name, those with running tasks; "" are containers that were attached by themselves.

    `here`: the containers of this node in it, which tell their endpoints' ids.
    """
    ids = {each.IPv4Address.partition("/")[0]: each.EndpointID for each in here.values()}
    found: dict[str, list[Task]] = {}
    for task in sorted(tables.all(Task), key=lambda each: each.id):
        serves = task.status.state == TaskState.RUNNING and task.desired_state in WANTED
        if serves and _place(task, network):
            found.setdefault(task.service_id, []).append(task)
    shown = {}
    for service_id, tasks in found.items():
        service = tables.find(Service, service_id)
        shown[service.spec.Name if service else tasks[0].service_name] = NetworkService(
            VIP=_virtual(service, network) or NO_ADDRESS,
            Ports=list(_ports(service)) if network.ingress else [],
            LocalLBIndex=0,
            Tasks=[_task(tables, task, network, ids) for task in tasks],
        )
    return shown


def _task(
    tables: Tables, task: Task, network: Network, ids: Mapping[str, str]
) -> NetworkServiceTask:
    node = tables.find(Node, task.node_id)
    address = _place(task, network)
    return NetworkServiceTask(
        Name=task.name,
        EndpointID=ids.get(address, ""),
        EndpointIP=address,
        Info={"Host IP": node.data_path_addr if node else ""},
    )


def _place(task: Task, network: Network) -> str:
    return _at(task.networks, network)


def _at(places: Iterable[Attachment], network: Network) -> str:
    """The address in it, without its prefix length; "" for none."""
    for place in places:
        if place.network_id == network.id and place.addresses:
            return place.addresses[0].partition("/")[0]
    return ""


def _virtual(service: Service | None, network: Network) -> str:
    endpoint = service.endpoint if service else None
    for virtual in endpoint.virtual_ips if endpoint and endpoint.mode == "vip" else ():
        if virtual.network_id == network.id:
            return virtual.addr.partition("/")[0]
    return ""


def _ports(service: Service | None) -> Iterator[str]:
    for port in service.endpoint.ports if service and service.endpoint else ():
        if port.PublishMode == "ingress":
            yield f"Target: {port.TargetPort}, Publish: {port.PublishedPort}"
