"""Connecting containers to networks and disconnecting them, running or not.

A running container gets the interface at once; the record follows, and takes the interface back
when it can't be committed. Then its /etc/hosts says what it is called there. A container that isn't
running gets all of it with its next start.
"""

import logging
from dataclasses import replace

from sampan.engine.containers.etc_files import EtcFiles
from sampan.engine.containers.networking import Networking, endpoint_request
from sampan.engine.containers.record import Attachment, Container, with_network, without_network
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.validate import container_of
from sampan.errors import Conflict, Denied, NotFound, SampanError
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.network.model import HOST, NONE, Network
from sampan.network.service import NetworkService
from sampan.wire.containers import EndpointSettings

log = logging.getLogger(__name__)


class AlreadyConnected(Denied):
    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"endpoint with name {container} already exists in network {network}")


class NotConnected(SampanError):
    """dockerd answers 500 for this one."""

    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"container {container} is not connected to network {network}")


class HostNetwork(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "container cannot be disconnected from host network or connected to host network"
        )


class Connections:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        service: NetworkService,
        networking: Networking,
        files: EtcFiles,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._service = service
        self._networking = networking
        self._files = files
        self._workers = workers

    async def connect(
        self, network_text: str, container_text: str, settings: EndpointSettings | None
    ) -> None:
        """Raises NotFound, AlreadyConnected, Conflict (modes that share) and InvalidArgument."""
        container = self._registry.get(container_text)
        asked = settings or EndpointSettings()
        network = await self._service.summon(
            network_text, container.id, container.name, asked.Aliases or ()
        )
        async with self._registry.lock(container.id):
            container = self._registry.get(container.id)
            _check_modes(container, network)
            if network.name in container.networks:
                raise AlreadyConnected(container.name, network.name)
            request = endpoint_request(network.id, asked, container.config)
            await self._service.check(request)
            attachment = Attachment(network.id, asked)
            if container.state.pid:
                endpoint = await self._service.join(container.id, container.name, request)
                attachment = replace(attachment, endpoint=endpoint)
            try:
                after = await self._registry.update(
                    container.id, lambda one: with_network(one, network.name, attachment)
                )
            except BaseException:
                if attachment.endpoint is not None:
                    await self._service.leave(container.id, network.id)
                raise
            await self._refresh_files(container, after)
        if attachment.endpoint is not None:
            self._networking.tell("connect", container, attachment)

    async def disconnect(
        self, network_text: str, container_text: str, *, force: bool = False
    ) -> None:
        """Raises NotFound and NotConnected."""
        network = await self._service.get(network_text)
        container = self._registry.find(container_text)
        if container is None:
            if force:
                return
            raise NotFound(f"No such container: {container_text}")
        async with self._registry.lock(container.id):
            container = self._registry.get(container.id)
            attachment = container.networks.get(network.name)
            if attachment is None:
                raise NotConnected(container.id, network.name)
            if network.name == HOST:
                raise HostNetwork
            if attachment.endpoint is not None:
                await self._service.leave(container.id, network.id)
            after = await self._registry.update(
                container.id, lambda one: without_network(one, network.name)
            )
            await self._refresh_files(container, after)
        if attachment.endpoint is not None:
            self._networking.tell("disconnect", container, attachment)

    async def _refresh_files(self, before: Container, after: Container) -> None:
        """The connection counts even if they can't be written (a full disk)."""
        if not after.state.pid:
            return
        try:
            await self._workers.run(self._files.networks_changed, before, after)
        except OSError as error:
            log.warning(fields("container.hosts_not_written", id=after.id, why=error))


def _check_modes(container: Container, network: Network) -> None:
    if container_of(container.host.NetworkMode) is not None:
        raise Conflict(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if HOST in {network.name, container.host.NetworkMode}:
        raise HostNetwork
    if NONE in {network.name, container.host.NetworkMode}:
        raise Conflict(
            "container cannot be connected to multiple networks with one of the networks "
            "in private (none) mode"
        )
