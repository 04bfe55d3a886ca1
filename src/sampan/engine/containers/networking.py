"""A container's place in the networks: made before its process, taken down after it.

mode            namespace            networks of the record
bridge, <name>  a sandbox of its own the mode's network first, then the others asked for
none            a sandbox of its own "none"
host            the host's           "host"
container:<x>   that of x's process  none
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from sampan.engine.containers import record
from sampan.engine.containers.links import parse_link
from sampan.engine.containers.ports import port_requests
from sampan.engine.containers.record import Attachment, Container
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.engine.containers.validate import container_of
from sampan.engine.events import EventLog
from sampan.errors import (
    Conflict,
    Denied,
    Internal,
    InvalidArgument,
    NotFound,
    SampanError,
    Unavailable,
    Unsupported,
)
from sampan.lib.log import fields
from sampan.network.endpoints import gateway_endpoint
from sampan.network.model import (
    BRIDGE,
    HOST,
    NONE,
    NULL_DRIVER,
    OVERLAY,
    Endpoint,
    EndpointRequest,
    Network,
    NoSuchNetwork,
    PublishedPort,
)
from sampan.network.service import NetworkService
from sampan.wire.containers import ContainerConfig, EndpointSettings, HostSettings

log = logging.getLogger(__name__)

KINDS = (Conflict, InvalidArgument, NotFound, Denied, Unsupported, Unavailable)


class TargetNotRunning(Conflict):
    def __init__(self, what: str, target: Container) -> None:
        super().__init__(
            f"cannot join {what} of a non running container: "
            f"container {target.name} is {target.state.status}"
        )


@dataclass(frozen=True, slots=True)
class Connected:
    """What a start needs to know: `netns` is the namespace's path, "" the host's."""

    netns: str = ""
    sandbox: str = ""
    networks: Mapping[str, Attachment] = field(default_factory=dict)
    ports: tuple[PublishedPort, ...] = ()


def running_target(registry: ContainerRegistry, name: str, what: str) -> Container:
    """The other container of a mode `container:<name>`. Raises NotFound or Conflict."""
    target = registry.find(name)
    if target is None:
        raise NoSuchContainer(name)
    if not target.state.pid:
        raise TargetNotRunning(what, target)
    return target


class Networking:
    def __init__(
        self, *, service: NetworkService, registry: ContainerRegistry, events: EventLog
    ) -> None:
        self._service = service
        self._registry = registry
        self._events = events

    # --- create -----------------------------------------------------------------------------------

    async def plan(
        self,
        config: ContainerConfig,
        host: HostSettings,
        asked: Mapping[str, EndpointSettings],
    ) -> dict[str, Attachment]:
        """The networks of a new container, under the names that they have now.

        A network that doesn't exist yet stays under the name asked for: the start finds out.
        """
        if container_of(host.NetworkMode) is not None:
            if asked:
                raise InvalidArgument(
                    "conflicting options: cannot attach container-type network to other networks"
                )
            return {}
        named: dict[str, EndpointSettings] = {host.NetworkMode: EndpointSettings()}
        named |= {BRIDGE if name == "default" else name: one for name, one in asked.items()}
        found: dict[str, Attachment] = {}
        for name, settings in named.items():
            network = await self._find(settings.NetworkID or name)
            key = network.name if network else name
            if key in found and settings == EndpointSettings():
                continue
            if network is not None and settings != EndpointSettings():
                await self._service.check(endpoint_request(network.id, settings, config))
            found[key] = Attachment(network.id if network else "", settings)
        if len(found) > 1 and {HOST, NONE} & set(found):
            raise InvalidArgument(
                "conflicting options: cannot attach both user-defined and non-user-defined "
                "network-modes"
            )
        return _with_mac(found, config)

    async def _find(self, text: str) -> Network | None:
        try:
            return await self._service.get(text)
        except NotFound:
            return None

    # --- start ------------------------------------------------------------------------------------

    async def connect(self, container: Container) -> Connected:
        """Make the sandbox, join every network, publish the ports; on failure nothing is left."""
        name = container_of(container.host.NetworkMode)
        if name is not None:
            target = running_target(self._registry, name, "network namespace")
            return Connected(netns=f"/proc/{target.state.pid}/ns/net")
        try:
            return await self._connect(container)
        except BaseException:
            await self._service.destroy_sandbox(container.id)
            raise

    async def _connect(self, container: Container) -> Connected:
        sandbox = ""
        if container.host.NetworkMode != HOST:
            servers = tuple(container.host.Dns or ())
            sandbox = str(await self._service.create_sandbox(container.id, dns=servers))
        networks: dict[str, Attachment] = {}
        for name, attachment in container.networks.items():
            joined = await self._join(container, name, attachment)
            assert joined.endpoint is not None
            networks[joined.endpoint.network_name] = joined
        ports = await self._publish(container, networks)
        for attachment in networks.values():
            self.tell("connect", container, attachment)
        return Connected(sandbox, sandbox, networks, ports)

    async def _join(self, container: Container, name: str, attachment: Attachment) -> Attachment:
        try:
            return await self._join_by_id(container, attachment.network_id or name, attachment)
        except NoSuchNetwork:  # made anew since, under the same name
            network = await self._find(name)
            if network is None:
                raise NoSuchNetwork(name) from None
            return await self._join_by_id(container, network.id, attachment)

    async def _join_by_id(
        self, container: Container, network: str, attachment: Attachment
    ) -> Attachment:
        request = endpoint_request(network, attachment.asked, container.config)
        endpoint = await self._service.join(container.id, container.name, request)
        return replace(attachment, network_id=endpoint.network_id, endpoint=endpoint)

    async def _publish(
        self, container: Container, networks: Mapping[str, Attachment]
    ) -> tuple[PublishedPort, ...]:
        wanted = list(port_requests(container.config, container.host))
        endpoint = outward([one.endpoint for one in networks.values() if one.endpoint])
        if not wanted or endpoint is None:
            return ()
        try:
            return await self._service.publish(container.id, endpoint, wanted)
        except SampanError as error:
            message = (
                "failed to set up container networking: driver failed programming external "
                f"connectivity on endpoint {container.name} ({endpoint.id}): {error.message}"
            )
            raise _told(error, message) from error

    async def rename(self, container: Container) -> None:
        """Name servers of the container's networks answer for its new name."""
        endpoints = await self._service.rename(container.id, container.name)
        if endpoints:
            await self._registry.update(
                container.id, partial(record.with_endpoints, endpoints=endpoints)
            )

    # --- end --------------------------------------------------------------------------------------

    async def disconnect(self, container: Container) -> None:
        """Take everything down. `container` is the record of the run. Idempotent."""
        if container_of(container.host.NetworkMode) is not None:
            return
        await self._service.destroy_sandbox(container.id)
        for attachment in container.networks.values():
            if attachment.endpoint is not None:
                self.tell("disconnect", container, attachment)

    async def finish_restore(self) -> None:
        """All running containers are restored: leftovers of others go."""
        await self._service.finish_restore()

    async def restore(self, container: Container) -> None:
        """Take up a container that kept running while there was no daemon. Raises NotFound."""
        endpoints = [one.endpoint for one in container.networks.values() if one.endpoint]
        if endpoints:
            servers = tuple(container.host.Dns or ())
            await self._service.restore(container.id, endpoints, container.ports, dns=servers)

    def tell(self, action: str, container: Container, attachment: Attachment) -> None:
        """The `network` event of a container that came or went."""
        name = attachment.endpoint.network_name if attachment.endpoint else ""
        kind = {HOST: HOST, NONE: NULL_DRIVER}.get(name)
        if kind is None:
            kind = attachment.endpoint.driver if attachment.endpoint else BRIDGE
        attributes = {"container": container.id, "name": name, "type": kind}
        self._events.publish("network", action, attachment.network_id, attributes)
        log.debug(fields(f"network.{action}", container=container.id, network=name))

    def host_gateway(self) -> str:
        return self._service.host_gateway()


def _told(error: SampanError, message: str) -> SampanError:
    """The same kind of failure with the words of Docker around it."""
    for kind in KINDS:
        if isinstance(error, kind):
            return kind(message, hint=error.hint)
    return Internal(message, hint=error.hint)


def outward(endpoints: list[Endpoint]) -> Endpoint | None:
    """The endpoint whose network publishes the ports: the one that leads outside, or an overlay
    (its sandbox has a way out of its own)."""
    overlay = next((endpoint for endpoint in endpoints if endpoint.driver == OVERLAY), None)
    return gateway_endpoint(endpoints) or overlay


def endpoint_request(
    network_id: str, asked: EndpointSettings, config: ContainerConfig
) -> EndpointRequest:
    addressing = asked.IPAMConfig
    return EndpointRequest(
        network_id=network_id,
        aliases=tuple(asked.Aliases or ()),
        ipv4=addressing.IPv4Address if addressing else "",
        ipv6=addressing.IPv6Address if addressing else "",
        mac=asked.MacAddress.lower().replace("-", ":"),
        driver_opts=asked.DriverOpts or {},
        gw_priority=asked.GwPriority,
        links=tuple(parse_link(text) for text in asked.Links or ()),
        hostname=config.Hostname,
    )


def _with_mac(found: dict[str, Attachment], config: ContainerConfig) -> dict[str, Attachment]:
    """`Config.MacAddress` of old clients is the first network's."""
    if config.MacAddress and found:
        name, first = next(iter(found.items()))
        asked = msgspec.structs.replace(first.asked, MacAddress=config.MacAddress)
        found[name] = replace(first, asked=asked)
    return found
