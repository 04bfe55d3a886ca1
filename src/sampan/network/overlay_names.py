"""What the names of one overlay network mean. Pure.

    web             the service's VIP, or the addresses of all its backends (DNS round robin)
    alias           the same
    tasks.web       the addresses of all its backends, whichever the mode
    web.1.<id>      one container

Names are the swarm's; what a container of this node is called besides (an alias of its own) the
table of names has anyway, and asks it after these.
"""

from collections.abc import Iterator, Mapping

from sampan.network.model import OVERLAY, Endpoint
from sampan.network.overlay_model import OverlayState

Meanings = tuple[Mapping[str, tuple[Endpoint, ...]], Mapping[str, Endpoint]]


def meanings(state: OverlayState) -> Meanings:
    """(endpoints by lower-case name, endpoint by address): stand-ins for containers anywhere."""
    names: dict[str, tuple[Endpoint, ...]] = {}
    addresses: dict[str, Endpoint] = {}
    for name, found in _all(state):
        entries = tuple(_stand_in(state, name, address) for address in found)
        if entries:
            names[name.lower()] = (*names.get(name.lower(), ()), *entries)
    for service in state.services:
        if service.vip:
            addresses[service.vip] = _stand_in(state, service.name, service.vip)
    for task in state.tasks:
        addresses[task.address] = _stand_in(state, task.names[0], task.address)
    return names, addresses


def _all(state: OverlayState) -> Iterator[tuple[str, tuple[str, ...]]]:
    for service in state.services:
        meant = (service.vip,) if service.vip else service.backends
        for name in dict.fromkeys((service.name, *service.aliases)):
            yield name, meant
            yield f"tasks.{name}", service.backends
    for task in state.tasks:
        for name in task.names:
            yield name, (task.address,)


def _stand_in(state: OverlayState, name: str, address: str) -> Endpoint:
    return Endpoint(
        id=address,
        network_id=state.id,
        network_name=state.name,
        ipv4=address,
        dns_names=(name,),
        driver=OVERLAY,
    )
