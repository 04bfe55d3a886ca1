"""`-p [ip:][hostPort[-end]:]containerPort[-end][/proto]` and `--expose`."""

from __future__ import annotations

from sampan.cli.runflags.checks import is_address
from sampan.cli.runflags.mounts import fields_of
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    Bindings = dict[str, list[dict[str, str]]]

PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
MAX_PORT = 65535


def _range(text: str) -> tuple[int, int]:
    """Raises ValueError."""
    first, dash, last = text.partition("-")
    low = _port(first)
    high = _port(last) if dash else low
    if high < low:
        raise ValueError(f"invalid range specified for port: {text}")
    return low, high


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > MAX_PORT:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _named_range(text: str, word: str) -> tuple[int, int]:
    try:
        return _range(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid {word}: {text}") from error


def _parts(spec: str) -> tuple[str, str, str]:
    """Address, host ports, container ports (with protocol)."""
    *address, container = spec.rsplit(":", 2)
    if len(address) == 2:
        return address[0].removeprefix("[").removesuffix("]"), address[1], container
    return "", address[0] if address else "", container


def parse_published(spec: str) -> list[tuple[str, dict[str, str]]]:
    """(container port, binding) pairs. Raises InvalidArgument with Docker's text."""
    if "=" in spec:
        spec = _from_long(spec)
    address, host, container = _parts(spec)
    number, slash, protocol = container.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if not number:
        raise InvalidArgument(f"no port specified: {spec}<empty>")
    first, last = _named_range(number, "containerPort")
    host_first, host_last = _named_range(host, "hostPort") if host else (0, 0)
    if address and not is_address(address.partition("%")[0]):
        raise InvalidArgument(f"invalid IP address: {address}")
    if host and last - first != host_last - host_first and first != last:
        raise InvalidArgument(
            f"invalid ranges specified for container and host Ports: {number} and {host}"
        )
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    pairs = []
    for offset in range(last - first + 1):
        host_port = str(host_first + offset) if host else ""
        if host and first == last and host_first != host_last:
            host_port = f"{host_first}-{host_last}"
        binding = {"HostIp": address, "HostPort": host_port}
        pairs.append((f"{first + offset}/{protocol}", binding))
    return pairs


def _from_long(spec: str) -> str:
    """published=8080,target=80,protocol=tcp in the short form."""
    values = {"protocol": "tcp", "published": "", "target": ""}
    for field in fields_of(spec):
        key, equals, value = field.partition("=")
        if not equals or key not in {*values, "mode"}:
            raise InvalidArgument(f"invalid field {field}")
        values[key] = value
    published = f"{values['published']}:" if values["published"] else ""
    return f"{published}{values['target']}/{values['protocol']}"


def expose(spec: str) -> list[str]:
    """The container ports of one --expose."""
    if ":" in spec:
        raise InvalidArgument(f"invalid port format for --expose: {spec}")
    number, slash, protocol = spec.partition("/")
    protocol = protocol if slash else "tcp"
    try:
        first, last = _range(number)
    except ValueError as error:
        raise InvalidArgument(
            f"invalid range format for --expose: {spec}, error: {error}"
        ) from error
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def published(specs: list[str], exposed: list[str]) -> tuple[dict[str, object], Bindings]:
    """ExposedPorts and PortBindings of all -p and --expose flags."""
    ports: dict[str, object] = {}
    bindings: Bindings = {}
    for spec in specs:
        for port, binding in parse_published(spec):
            ports[port] = {}
            bindings.setdefault(port, []).append(binding)
    for spec in exposed:
        ports.update({port: {} for port in expose(spec)})
    return dict(sorted(ports.items())), dict(sorted(bindings.items()))
