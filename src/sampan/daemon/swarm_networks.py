"""/networks of this node and of its swarm in one: what `docker network` works on.

On a manager the swarm's networks come from the store; a node of the swarm has those that it uses
among its own as well, with the same id, and then knows which containers are in them here. The
store's word counts; containers are added to it. Elsewhere there is only what the node has.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from sampan.errors import NotFound, SampanError
from sampan.swarm.control.control import Control
from sampan.swarm.control.networks import NameInUse, matches, view
from sampan.swarm.control.references import NODE_NETWORKS
from sampan.swarm.control.refusals import NoSuch
from sampan.swarm.model import Network
from sampan.wire.filters import Filters
from sampan.wire.networks import NetworkCreate, NetworkCreated, NetworksPruned, NetworkView

OVERLAY = "overlay"
SWARM = "swarm"


class SwarmMember(Protocol):
    @property
    def control(self) -> Control:
        """Raises where this node is no manager, with what a client shall read."""
        ...


class LocalNetworks(Protocol):
    """What this node has, of its own and of the swarm's."""

    async def list(self, filters: Filters) -> Sequence[NetworkView]: ...
    async def inspect(self, text: str, *, scope: str = "") -> NetworkView: ...
    async def create(self, request: NetworkCreate) -> NetworkCreated: ...
    async def remove(self, text: str) -> None: ...
    async def prune(self, filters: Filters) -> NetworksPruned: ...


class AllNetworks:
    """Implements the backend of the networks router."""

    def __init__(self, local: LocalNetworks, swarm: SwarmMember) -> None:
        self._local = local
        self._swarm = swarm

    def _control(self) -> Control | None:
        try:
            return self._swarm.control
        except SampanError:
            return None

    async def list(self, filters: Filters) -> Sequence[NetworkView]:
        found = list(await self._local.list(filters))
        control = self._control()
        if control is None:
            return found
        networks = control.networks.all()
        shared = [
            view(network)
            for network in networks
            if matches(network, filters, is_used=any(control.networks.tasks_in(network)))
        ]
        # what the node still has of a network that the swarm hasn't any more is on its way out
        return [*shared, *(each for each in found if each.Scope != SWARM)]

    async def inspect(self, text: str, *, scope: str = "", verbose: bool = False) -> NetworkView:
        network = None if scope == "local" else self._find(text)
        if network is not None:
            shared = await self._shared(network)
            return self._swarm.control.networks.detailed(shared, network, verbose=verbose)
        if scope == SWARM and text in NODE_NETWORKS and self._control() is not None:
            # what each node has of its own can be asked for in services, by its name
            return replace(await self._local.inspect(text), Id=text, Scope=SWARM)
        return await self._local.inspect(text, scope=scope)

    async def _shared(self, network: Network) -> NetworkView:
        try:
            here = await self._local.inspect(network.id)
        except NotFound:
            return view(network)
        return view(network, here.Containers)

    async def create(self, request: NetworkCreate) -> NetworkCreated:
        if not (request.Driver == OVERLAY or request.Scope == SWARM or request.Ingress):
            return await self._local.create(request)
        networks = self._swarm.control.networks
        if await self._has_local(request.Name.strip()):
            raise NameInUse(request.Name.strip())
        return NetworkCreated(Id=await networks.create(request))

    async def _has_local(self, name: str) -> bool:
        return any(each.Name == name for each in await self._local.list(Filters()))

    async def remove(self, text: str) -> None:
        network = self._find(text)
        if network is None:
            await self._local.remove(text)
        else:
            await self._swarm.control.networks.remove(network)

    def _find(self, text: str) -> Network | None:
        """By id, name or the beginning of an id; names of the node's own networks win only when
        the swarm has none such."""
        control = self._control()
        if control is None:
            return None
        try:
            return control.networks.find(text)
        except NoSuch:
            return None

    async def prune(self, filters: Filters) -> NetworksPruned:
        pruned = await self._local.prune(filters)
        control = self._control()
        removed = list(pruned.NetworksDeleted or ())
        for network in control.networks.all() if control is not None else ():
            wanted = filters.match_labels(network.labels) and filters.match_no_labels(
                network.labels
            )
            if network.ingress or not wanted or "until" in filters or control is None:
                continue
            try:
                await control.networks.remove(network)
            except SampanError:
                continue  # in use
            removed.append(network.name)
        return replace(pruned, NetworksDeleted=removed or None)
