"""What the swarm tells this node of its networks, given to the node's networking.

    manager --(NodeNetworks, whole)--> agent --> OverlayFeed.apply --> NetworkService.apply

Every call brings the whole truth and does the difference, so a node that was cut off is right with
the first message after it. The caller awaits `apply` before it starts or stops tasks of the same
message: a task that is told to stop has then left names, virtual addresses and the mesh here.

What couldn't be done (a published port that another program of this machine holds) is logged when
it is new, kept in `problems`, and tried again by `run` every few seconds.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from sampan.lib.log import fields
from sampan.network.overlay_model import (
    MeshPort,
    OverlayName,
    OverlayPeer,
    OverlayService,
    OverlayState,
    Topology,
)
from sampan.swarm.networkstate import NetworkState, NodeNetworks

log = logging.getLogger(__name__)

RETRY_S = 5.0


class OverlayNetworking(Protocol):
    """The part of network.service.NetworkService that is needed here."""

    async def apply(self, topology: Topology, *, thorough: bool = False) -> Sequence[str]: ...


class OverlayFeed:
    def __init__(self, network: OverlayNetworking, *, retry_s: float = RETRY_S) -> None:
        self._network = network
        self._retry_s = retry_s
        self._told = NodeNetworks()
        self._lock = asyncio.Lock()
        self.problems: Sequence[str] = ()

    async def apply(self, networks: NodeNetworks) -> None:
        """Bring this node to `networks`. Failures are logged, and tried again by `run`."""
        async with self._lock:
            self._told = networks
            await self._bring(thorough=False)

    async def resync(self) -> None:
        """The same again, with a look at everything that the kernel has."""
        async with self._lock:
            await self._bring(thorough=True)

    async def leave(self) -> None:
        """This node is in no swarm: networks go, those with containers when these are gone."""
        await self.apply(NodeNetworks())

    async def run(self) -> None:
        """Until cancelled: try again what couldn't be done."""
        while True:
            await asyncio.sleep(self._retry_s)
            if self.problems:
                await self.resync()

    async def _bring(self, *, thorough: bool) -> None:
        problems = await self._network.apply(topology(self._told), thorough=thorough)
        for problem in problems:
            if problem not in self.problems:
                log.warning(fields("overlay.problem", reason=problem))
        self.problems = tuple(problems)


def topology(networks: NodeNetworks) -> Topology:
    """In the words of networking."""
    return Topology(
        vtep=networks.vtep,
        port=networks.data_path_port,
        networks=tuple(_state(state) for state in networks.networks),
        mesh=tuple(
            MeshPort(port.protocol, port.published, port.target, port.backends)
            for port in networks.ingress
        ),
    )


def _state(state: NetworkState) -> OverlayState:
    return OverlayState(
        id=state.id,
        name=state.name,
        vni=state.vni,
        subnets=state.subnets,
        gateways=state.gateways,
        mtu=state.mtu,
        internal=state.internal,
        attachable=state.attachable,
        ingress=state.ingress,
        options=dict(state.options),
        labels=dict(state.labels),
        node_address=state.node_address,
        peers=tuple(OverlayPeer(peer.address, peer.vtep) for peer in state.peers),
        services=tuple(
            OverlayService(one.name, one.aliases, one.vip, one.backends) for one in state.services
        ),
        tasks=tuple(OverlayName(one.names, one.address) for one in state.tasks),
    )
