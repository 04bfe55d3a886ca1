"""What a service's document refers to: networks, secrets, configs, and ports that others have.

Networks are given by name or id and kept by id; predefined ones of a node (host, bridge) stay as
they are. A reference to a secret or config must fit in both id and name.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from sampan.errors import Internal, NotFound
from sampan.swarm.control.lookup import find
from sampan.swarm.control.refusals import FailedPrecondition, NoSuch, Refused
from sampan.swarm.model import Config, Network, Secret, Service
from sampan.swarm.store.tables import Tables
from sampan.wire.services import (
    NetworkAttachmentConfig,
    PortConfig,
    ServiceContainer,
    ServiceSpec,
)

NODE_NETWORKS = frozenset({"host", "bridge"})


class NetworkMissing(Internal):
    """dockerd answers 500 here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"network {name} not found")


class NotASwarmNetwork(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"could not find the corresponding predefined swarm network: network {name} not found"
        )


def resolve(tables: Tables, spec: ServiceSpec) -> ServiceSpec:
    """With networks by id. Raises Refused and others for what isn't there."""
    networks = spec.TaskTemplate.Networks
    if networks:
        found = [_network(tables, network) for network in networks]
        spec = replace(spec, TaskTemplate=replace(spec.TaskTemplate, Networks=found))
    if spec.Networks:
        spec = replace(spec, Networks=[_network(tables, network) for network in spec.Networks])
    return spec


def check_references(tables: Tables, spec: ServiceSpec, *, service_id: str = "") -> None:
    """`service_id`: whose own ports don't count."""
    if spec.TaskTemplate.ContainerSpec is not None:
        _check_files(tables, spec.TaskTemplate.ContainerSpec)
    ports = spec.EndpointSpec.Ports if spec.EndpointSpec is not None else None
    if ports:
        _check_ports(tables, ports, service_id)
    if any(port.PublishMode == "ingress" for port in ports or ()) and not any(
        network.ingress for network in tables.all(Network)
    ):
        raise FailedPrecondition("service needs ingress network, but no ingress network is present")


def _network(tables: Tables, attachment: NetworkAttachmentConfig) -> NetworkAttachmentConfig:
    name = attachment.Target
    try:
        network = find(tables, Network, name)
    except NoSuch as error:
        if name in NODE_NETWORKS:
            return attachment
        raise (NotASwarmNetwork(name) if name == "none" else NetworkMissing(name)) from error
    if network.ingress:
        raise Refused(
            f'Service cannot be explicitly attached to the ingress network "{network.name}"'
        )
    return replace(attachment, Target=network.id)


def _check_files(tables: Tables, container: ServiceContainer) -> None:
    secrets = []
    for secret in container.Secrets or ():
        there = tables.find(Secret, secret.SecretID)
        if there is None or there.spec.Name != secret.SecretName:
            secrets.append(secret.SecretName)
    _refuse_missing("secret", secrets)
    configs = []
    for config in container.Configs or ():
        held = tables.find(Config, config.ConfigID)
        if held is None or held.spec.Name != config.ConfigName:
            configs.append(config.ConfigName)
    _refuse_missing("config", configs)


def _refuse_missing(kind: str, names: list[str]) -> None:
    if names:
        plural = "s" if len(names) > 1 else ""
        raise Refused(f"{kind}{plural} not found: {', '.join(names)}")


def _check_ports(tables: Tables, ports: Iterable[PortConfig], service_id: str) -> None:
    """An ingress port is the swarm's; a host port clashes only with ingress ones.

    Two services may ask for the same host port: they then need different nodes.
    """
    wanted = {
        (port.Protocol, port.PublishedPort): port.PublishMode
        for port in ports
        if port.PublishedPort
    }
    for service in tables.all(Service):
        if service.id == service_id:
            continue
        for port in _ports_of(service):
            mode = wanted.get((port.Protocol, port.PublishedPort))
            if mode is None or (mode == port.PublishMode == "host"):
                continue
            article = "an ingress" if port.PublishMode == "ingress" else "a host-published"
            raise Refused(
                f"port '{port.PublishedPort}' is already in use by service "
                f"'{service.spec.Name}' ({service.id}) as {article} port"
            )


def _ports_of(service: Service) -> list[PortConfig]:
    """Those asked for and those given; the latter stay taken until an update is through."""
    ports = list(service.spec.EndpointSpec.Ports or ()) if service.spec.EndpointSpec else []
    if service.endpoint is not None:
        ports += service.endpoint.ports
    return [port for port in ports if port.PublishedPort]
