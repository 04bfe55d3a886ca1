"""The network of one build: a sandbox that its RUN steps share, made when the first of them runs.

Modes are those of `--network`: "" or default is the bridge, none has loopback only, host has no
sandbox, anything else is the name or id of a network.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sampan.engine.containers.validate import HOST_GATEWAY, NoHostGateway, check_extra_host
from sampan.errors import Unsupported
from sampan.lib.cleanup import shielded
from sampan.lib.ids import random_id, short
from sampan.network import files
from sampan.network.host_resolver import read_host_resolv_conf
from sampan.network.model import BRIDGE, HOST, NONE, Endpoint, EndpointRequest, Network
from sampan.wire.containers import HostSettings

_HOST_HOSTS = Path("/etc/hosts")
_SHARED = "container:"


class Networks(Protocol):
    """The part of NetworkService that builds use."""

    async def get(self, text: str) -> Network: ...

    async def create_sandbox(self, container_id: str, *, dns: Sequence[str] = ()) -> Path: ...

    async def join(
        self, container_id: str, container_name: str, request: EndpointRequest
    ) -> Endpoint: ...

    async def destroy_sandbox(self, container_id: str) -> None: ...

    def host_gateway(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Joined:
    """`namespace` is a path, or "host"."""

    namespace: str
    addresses: tuple[str, ...] = ()
    embedded: bool = False


class BuildNetwork:
    """Not shared between builds. `close` gives everything back."""

    def __init__(self, networks: Networks, host: HostSettings) -> None:
        self._networks = networks
        self._host = host
        self._mode = BRIDGE if host.NetworkMode in {"", "default"} else host.NetworkMode
        self._sandbox_id = random_id()
        self._joined: Joined | None = None
        self._begun = False
        self._lock = asyncio.Lock()

    async def join(self, own: str = "") -> Joined:
        """`own` is "none" or "host" for a step that is not in the build's network.

        Raises NoSuchNetwork, Unsupported. Steps that come at the same time share one sandbox.
        """
        if own == HOST:
            return Joined(HOST)
        if own == NONE:
            return Joined("")  # the runtime makes a namespace of the step's own: loopback only
        async with self._lock:
            if self._joined is None:
                self._joined = await self._join()
            return self._joined

    async def close(self) -> None:
        if self._begun:
            await shielded(
                lambda: self._networks.destroy_sandbox(self._sandbox_id), what="build sandbox"
            )

    def etc_files(self, joined: Joined, hostname: str) -> dict[str, str]:
        """hostname, hosts and resolv.conf of a step, by name."""
        extra = self._extra_hosts()
        if joined.namespace == HOST:
            hosts = _HOST_HOSTS.read_text(errors="replace") if _HOST_HOSTS.exists() else ""
            hosts += "".join(f"{address}\t{name}\n" for name, address in extra)
        else:
            hosts = files.hosts_file(
                hostname=hostname, addresses=joined.addresses, extra_hosts=extra
            )
        return {
            "hostname": files.hostname_file(hostname),
            "hosts": hosts,
            "resolv.conf": files.resolv_conf(read_host_resolv_conf(), embedded=joined.embedded),
        }

    async def _join(self) -> Joined:
        if self._mode == HOST:
            return Joined(HOST)
        if self._mode.startswith(_SHARED):
            raise Unsupported("building in another container's network is not built yet")
        network = None if self._mode == NONE else await self._networks.get(self._mode)
        self._begun = True
        path = await self._networks.create_sandbox(self._sandbox_id)
        if network is None:
            return Joined(str(path))
        name = f"build-{short(self._sandbox_id)}"
        request = EndpointRequest(network.id)
        endpoint = await self._networks.join(self._sandbox_id, name, request)
        addresses = tuple(text for text in (endpoint.ipv4, endpoint.ipv6) if text)
        return Joined(str(path), addresses, network.user_defined)

    def _extra_hosts(self) -> list[tuple[str, str]]:
        found = []
        for entry in self._host.ExtraHosts or ():
            name, address = check_extra_host(entry)
            if address == HOST_GATEWAY:
                address = self._networks.host_gateway()
                if not address:
                    raise NoHostGateway
            found.append((name, address))
        return found
