"""Networking for the rest of the daemon: async calls, one networking thread behind them.

A sandbox is created, joined to its networks and published *before* the container's process
exists; the process is then started in the namespace that `create_sandbox` returned. Nothing in
the data path needs the daemon: when it dies, containers keep addresses, ports and each other;
only name resolution and the reservation of host ports pause until `restore`.

At a start of the daemon: `start`, then `restore` for every running container, then
`finish_restore`. Until then nothing is taken out of the firewall that an earlier daemon left.

The thread is one of our own, so that a pool full of archive work never delays a network, and so
that the thread that moves between namespaces does nothing else. A cancelled caller waits until
its call is done.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from sampan.errors import SampanError, Unsupported
from sampan.lib.gotime import now_ns
from sampan.lib.log import fields
from sampan.linux.netlink import Netlink
from sampan.linux.nft import Nft
from sampan.linux.nfwatch import RulesetWatch
from sampan.network.addresses import Addresses
from sampan.network.attacher import Attacher
from sampan.network.attachments import Attachments
from sampan.network.controller import Controller
from sampan.network.endpoints import all_names
from sampan.network.firewall import Firewall
from sampan.network.mesh import Mesh
from sampan.network.model import (
    BRIDGE,
    Endpoint,
    EndpointRequest,
    Network,
    NetworkSettings,
    NetworkSpec,
    NoSuchNetwork,
    PortRequest,
    PublishedPort,
)
from sampan.network.names import NameTable
from sampan.network.networks import Documents, NetworkTable
from sampan.network.outlets import Outlets
from sampan.network.overlay import Overlays
from sampan.network.overlay_model import Topology
from sampan.network.provision import Provisioner
from sampan.network.publisher import Publisher
from sampan.network.relays import Doors, Relays
from sampan.network.resolvers import Resolvers
from sampan.network.vips import VirtualAddresses

log = logging.getLogger(__name__)

_SETTLE_S = 0.2  # after a foreign change, for the rest of it to come
_LEGACY_CHECK_S = 30.0

Result = TypeVar("Result")


class NetworkService:
    def __init__(self, *, documents: Documents, settings: NetworkSettings) -> None:
        self._settings = settings
        self._table = NetworkTable(documents)
        self._names = NameTable()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._resolvers = Resolvers(self._names, self._call)
        self._relays = Relays(self._doors)
        self._repair: asyncio.Task[None] | None = None
        self._legacy: asyncio.Task[None] | None = None
        self._damaged = False  # others changed our table
        self._rearranged = False  # others changed chains or rules of theirs
        self._started = False
        self.attacher: Attacher | None = None  # of a node that is in a swarm

    async def _call(
        self, function: Callable[..., Result], *args: object, **kwargs: object
    ) -> Result:
        work = self._thread.submit(partial(function, *args, **kwargs))
        with anyio.CancelScope(shield=True):
            result = await asyncio.wrap_future(work)
        return result  # noqa: RET504 - a scope might swallow exceptions, for all mypy knows

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Ready when it returns: predefined networks exist, bridges stand, the table is written.

        When it fails half-way `close` is still to be called, and takes that half away.
        """
        await self._call(self._open)
        self._started = True
        await self._call(self._bring_up)
        asyncio.get_running_loop().add_reader(self._watch.fileno(), self._on_ruleset_change)
        if self._firewall.legacy_possible:
            self._legacy = asyncio.get_running_loop().create_task(self._check_legacy())

    def _open(self) -> None:
        """Nothing of it changes the machine."""
        with ExitStack() as undo:
            self._netlink = undo.enter_context(Netlink())
            self._nft = undo.enter_context(Nft())
            self._watch = RulesetWatch(threading.get_native_id())
            undo.callback(self._watch.close)
            self._table.load()
            undo.pop_all()
        self._firewall = Firewall(self._settings.table_name, self._nft)
        self._publisher = Publisher(self._firewall)
        addresses = Addresses()
        self._provisioner = Provisioner(
            table=self._table,
            settings=self._settings,
            netlink=self._netlink,
            firewall=self._firewall,
            addresses=addresses,
            now_ns=now_ns,
        )
        attachments = Attachments(
            settings=self._settings,
            provisioner=self._provisioner,
            addresses=addresses,
            netlink=self._netlink,
        )
        outlets = Outlets(table=self._table, provisioner=self._provisioner, attachments=attachments)
        vips = VirtualAddresses()
        self._controller = Controller(
            settings=self._settings,
            table=self._table,
            provisioner=self._provisioner,
            attachments=attachments,
            publisher=self._publisher,
            names=self._names,
            outlets=outlets,
            vips=vips,
        )
        self._overlays = Overlays(
            settings=self._settings,
            table=self._table,
            provisioner=self._provisioner,
            netlink=self._netlink,
            names=self._names,
            vips=vips,
            controller=self._controller,
            outlets=outlets,
            mesh=Mesh(settings=self._settings, controller=self._controller),
        )

    def _bring_up(self) -> None:
        self._settings.netns_root.mkdir(parents=True, exist_ok=True)
        self._provisioner.start()
        self._overlays.load()

    async def close(self, *, remove: bool = False) -> None:
        """Stop serving. With `remove` the bridges and the table go too; else all keeps working."""
        if self._started:
            self._started = False
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            if self._legacy:
                self._legacy.cancel()
            tasks = [task for task in (self._repair, self._legacy) if task]
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._relays.aclose()
            await self._resolvers.aclose()
            await self._call(self._shut, remove=remove)
        self._thread.shutdown()

    def _shut(self, *, remove: bool) -> None:
        with ExitStack() as closing:
            for one in (self._netlink, self._nft, self._watch):
                closing.callback(one.close)
            self._publisher.close()
            if remove:
                self._overlays.withdraw()
                self._firewall.remove()
                self._provisioner.remove_all()

    def _on_ruleset_change(self) -> None:
        change = self._watch.drain()
        self._damaged |= change.lost_notices or self._settings.table_name in change.tables
        self._rearranged |= bool(change.structure)
        if (self._damaged or self._rearranged) and self._repair is None:
            self._repair = asyncio.get_running_loop().create_task(self._repair_firewall())

    async def _repair_firewall(self) -> None:
        try:
            while self._damaged or self._rearranged:
                await asyncio.sleep(_SETTLE_S)
                own, self._damaged, self._rearranged = self._damaged, False, False
                await self._call(self._firewall.repair, own=own)
        except SampanError:
            log.exception(fields("firewall.repair_failed", table=self._settings.table_name))
        finally:
            self._repair = None

    async def _check_legacy(self) -> None:
        while True:
            await asyncio.sleep(_LEGACY_CHECK_S)
            await self._call(self._firewall.check_legacy)

    # --- networks ----------------------------------------------------------------------------

    async def list(self) -> list[Network]:
        return await self._call(self._table.all)

    async def get(self, text: str) -> Network:
        return await self._call(self._table.get, text)

    async def create(self, spec: NetworkSpec) -> Network:
        return await self._call(self._provisioner.create, spec)

    async def remove(self, text: str) -> Network:
        return await self._call(self._controller.remove_network, text)

    async def containers_on(self, network_id: str) -> dict[str, Endpoint]:
        return await self._call(self._controller.containers_on, network_id)

    def host_gateway(self) -> str:
        """The host's address as containers of the default network see it ("" if there is none)."""
        if self._settings.host_gateway_ip:
            return self._settings.host_gateway_ip
        found = self._table.find_name(BRIDGE)
        return next((pool.gateway for pool in found.live_pools), "") if found else ""

    # --- sandboxes ---------------------------------------------------------------------------

    async def create_sandbox(self, container_id: str, *, dns: Sequence[str] = ()) -> Path:
        """The path of a new namespace with loopback; `dns` are the container's own servers."""
        await self._resolvers.stop(container_id)
        self._resolvers.expect(container_id, dns)
        return await self._call(self._controller.create_sandbox, container_id)

    async def destroy_sandbox(self, container_id: str) -> None:
        await self._resolvers.forget(container_id)
        await self._relays.stop(container_id)
        await self._call(self._overlays.destroy_sandbox, container_id)
        if self.attacher:
            self.attacher.left(container_id)

    async def check(self, request: EndpointRequest) -> None:
        """Raise what `join` would raise for a request that can't be right."""
        await self._call(self._controller.check, request)

    async def join(
        self, container_id: str, container_name: str, request: EndpointRequest
    ) -> Endpoint:
        request = await self._placed(container_id, container_name, request)
        endpoint = await self._call(self._controller.join, container_id, container_name, request)
        try:
            await self._resolvers.ensure(self._controller, container_id, [endpoint])
        except BaseException:
            await self._call(self._controller.leave, container_id, endpoint.network_id)
            raise
        return endpoint

    async def leave(self, container_id: str, network_id: str) -> Endpoint:
        endpoint = await self._call(self._overlays.leave, container_id, network_id)
        if self.attacher:
            self.attacher.left(container_id)
        return endpoint

    async def _placed(
        self, container_id: str, name: str, request: EndpointRequest
    ) -> EndpointRequest:
        """With the place that the swarm gave, if it is a network of the swarm."""
        if self.attacher is None or not await self._call(self._overlays.lacks_place, request):
            return request
        if request.ipv4 or request.ipv6:
            raise Unsupported("addresses in networks of a swarm are given by the swarm")
        names = all_names(container_id, name, request.aliases, request.hostname)
        place = await self.attacher.attach(request.network_id, container_id, names)
        return replace(request, network_id=place.network_id, ipv4=place.address)

    async def summon(
        self, text: str, container_id: str, name: str, aliases: Sequence[str] = ()
    ) -> Network:
        """A network that a container is to be connected to: the swarm may have to bring it here."""
        try:
            return await self.get(text)
        except NoSuchNetwork:
            request = EndpointRequest(text, aliases=tuple(aliases))
            await self._placed(container_id, name, request)
            return await self.get(text)

    async def rename(self, container_id: str, name: str) -> dict[str, Endpoint]:
        return await self._call(self._controller.rename, container_id, name)

    async def publish(
        self, container_id: str, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        ports = await self._call(self._controller.publish, container_id, endpoint, requests)
        try:
            await self._relays.ensure(container_id, ports)
        except BaseException:
            await self.unpublish(container_id)
            raise
        return ports

    async def unpublish(self, container_id: str) -> None:
        await self._relays.stop(container_id)
        await self._call(self._controller.unpublish, container_id)

    # --- after a restart of the daemon -------------------------------------------------------

    async def restore(
        self,
        container_id: str,
        endpoints: Sequence[Endpoint],
        ports: Sequence[PublishedPort],
        *,
        dns: Sequence[str] = (),
    ) -> None:
        """Take up a running container. Raises NotFound if its namespace is gone."""
        await self._call(self._controller.restore, container_id, endpoints, ports)
        self._resolvers.expect(container_id, dns)
        await self._resolvers.ensure(self._controller, container_id, endpoints)
        await self._relays.ensure(container_id, ports)

    async def finish_restore(self) -> None:
        """All running containers are restored: what nobody has is dropped."""
        await self._call(self._overlays.resume)
        await self._call(self._controller.drop_strays)
        await self._call(self._firewall.release)

    # --- the swarm's networks ----------------------------------------------------------------

    async def apply(self, topology: Topology, *, thorough: bool = False) -> Sequence[str]:
        """Bring overlay networks, their names, addresses and the mesh to this state.

        What couldn't be done is told and tried again with the next call; the rest is done. With
        `thorough` the kernel's state is looked at even where nothing changed.
        """
        return await self._call(self._overlays.apply, topology, thorough=thorough)

    async def _doors(self, container_id: str) -> Doors:
        target = partial(self._controller.relay_target, container_id)
        return await self._call(self._controller.doors, container_id), target
