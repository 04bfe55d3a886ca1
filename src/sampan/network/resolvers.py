"""The name servers of all sandboxes: each starts with the first network that resolves names.

On the event loop. What they answer from is the networking thread's (`names`, the controller's
views); the servers that a container was given (`--dns`) are asked from inside its sandbox, the
host's from the host.
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from sampan.network.controller import Controller
from sampan.network.dns_server import SandboxResolver, open_here
from sampan.network.host_resolver import UpstreamServers
from sampan.network.model import Endpoint
from sampan.network.names import NameTable

Call = Callable[..., Awaitable[Any]]  # runs a function on the networking thread


class Resolvers:
    def __init__(self, names: NameTable, call: Call) -> None:
        self._names = names
        self._call = call
        self._upstream = UpstreamServers()
        self._explicit: dict[str, tuple[str, ...]] = {}
        self._resolvers: dict[str, SandboxResolver] = {}

    def expect(self, container_id: str, servers: Sequence[str]) -> None:
        """The container's own servers, before its resolver starts."""
        self._explicit[container_id] = tuple(servers)

    async def ensure(
        self, controller: Controller, container_id: str, endpoints: Sequence[Endpoint]
    ) -> None:
        if container_id in self._resolvers or not any(end.dns_names for end in endpoints):
            return
        udp, tcp = await self._call(controller.open_name_server, container_id)
        explicit = self._explicit.get(container_id, ())
        opener = partial(self._open_inside, controller, container_id)
        resolver = SandboxResolver(
            udp=udp,
            tcp=tcp,
            names=self._names,
            view=partial(controller.view, container_id),
            servers=(lambda: explicit) if explicit else self._upstream.get,
            open_socket=opener if explicit else open_here,
        )
        try:
            await resolver.start()
        except BaseException:
            await resolver.aclose()
            raise
        self._resolvers[container_id] = resolver

    async def _open_inside(
        self,
        controller: Controller,
        container_id: str,
        family: socket.AddressFamily,
        kind: socket.SocketKind,
    ) -> socket.socket:
        opened = await self._call(controller.open_socket, container_id, family, kind)
        assert isinstance(opened, socket.socket)
        return opened

    async def stop(self, container_id: str) -> None:
        resolver = self._resolvers.pop(container_id, None)
        if resolver:
            await resolver.aclose()

    async def forget(self, container_id: str) -> None:
        """The sandbox goes."""
        await self.stop(container_id)
        self._explicit.pop(container_id, None)

    async def aclose(self) -> None:
        for container_id in list(self._resolvers):
            await self.stop(container_id)
