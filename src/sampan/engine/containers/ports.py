"""Ports as requests name them: `ExposedPorts` keys and `PortBindings`. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address

from sampan.errors import InvalidArgument
from sampan.network.model import PortRequest, PublishedPort
from sampan.wire.containers import ContainerConfig, HostSettings, PortBinding

PROTOCOLS = ("tcp", "udp", "sctp")
MAX_PORT = 65535


class InvalidPort(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f'invalid port specification: "{text}"')


def parse_range(text: str, *, within: str) -> tuple[int, int]:
    """`8080` or `8080-8090`; `within` is what the message quotes."""
    first, dash, last = text.partition("-")
    try:
        start, end = int(first), int(last if dash else first)
    except ValueError as error:
        raise InvalidPort(within) from error
    if not 0 <= start <= end <= MAX_PORT:
        raise InvalidPort(within)
    return start, end


def parse_port(text: str) -> tuple[int, int, str]:
    """`80/tcp`, `80`, `8000-8010/udp` -> first, last, protocol."""
    number, _, proto = text.partition("/")
    proto = proto.lower() or "tcp"
    if proto not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {proto}")
    return (*parse_range(number, within=text), proto)


def port_requests(config: ContainerConfig, host: HostSettings) -> Iterator[PortRequest]:
    """What is to be published: the bindings, and with `-P` every other exposed port."""
    bound = set()
    for text, bindings in sorted((host.PortBindings or {}).items()):
        first, _, proto = parse_port(text)
        bound.add((first, proto))
        for binding in bindings or [PortBinding()]:
            yield _request(first, proto, binding)
    if host.PublishAllPorts:
        for text in sorted(config.ExposedPorts or {}):
            first, last, proto = parse_port(text)
            for number in range(first, last + 1):
                if (number, proto) not in bound:
                    yield PortRequest(proto=proto, container_port=number)


def _request(port: int, proto: str, binding: PortBinding) -> PortRequest:
    start, end = 0, 0
    if binding.HostPort:
        start, end = parse_range(binding.HostPort, within=binding.HostPort)
    if binding.HostIp:
        try:
            ip_address(binding.HostIp)
        except ValueError as error:
            raise InvalidArgument(f"invalid IP address: {binding.HostIp}") from error
    return PortRequest(
        proto=proto,
        container_port=port,
        host_ip=binding.HostIp,
        host_port=start,
        host_port_end=end if end != start else 0,
    )


def exposed(config: ContainerConfig, host: HostSettings) -> list[tuple[int, str]]:
    """Every port that the container declares, by number: exposed or published."""
    found: set[tuple[int, str]] = set()
    for text in (*(config.ExposedPorts or ()), *(host.PortBindings or ())):
        try:
            first, last, proto = parse_port(text)
        except InvalidArgument:  # Docker takes any text for an exposed port
            continue
        found.update((number, proto) for number in range(first, last + 1))
    return sorted(found)


def bindings_view(
    ports: tuple[PublishedPort, ...], declared: list[tuple[int, str]]
) -> dict[str, list[PortBinding] | None]:
    """`NetworkSettings.Ports` of a running container: null for a port that isn't published."""
    found: dict[str, list[PortBinding] | None] = {
        f"{port}/{proto}": None for port, proto in declared
    }
    for port in ports:
        key = f"{port.container_port}/{port.proto}"
        entries = found.get(key) or []
        entries.append(PortBinding(HostIp=port.host_ip, HostPort=str(port.host_port)))
        found[key] = entries
    return found
