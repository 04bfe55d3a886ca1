"""The short syntax of ports: `[[IP:]HOST:]CONTAINER[/PROTOCOL]` with ranges on both sides.

A range of container ports makes one entry each; a range of host ports for one container port
stays a range, of which one free port is taken later.
"""

from typing import Any

from sampan.errors import InvalidArgument

PROTOCOLS = {"tcp", "udp", "sctp"}


class BadPort(InvalidArgument):
    pass


def parse_ports(spec: str) -> list[dict[str, Any]]:
    """The long syntax of `spec`, in the order of the container ports' text; raises BadPort."""
    parts = spec.split(":")
    container = parts[-1]
    host = parts[-2] if len(parts) > 1 else ""
    address = _address(":".join(parts[:-2]))
    container, _, protocol = container.partition("/")
    protocol = (protocol or "tcp").lower()
    if not container:
        raise BadPort(f"no port specified: {spec}<empty>")
    first, last = _range(container, "containerPort")
    host_first, host_last = _range(host, "hostPort") if host else (0, 0)
    if host and last - first != host_last - host_first and first != last:
        raise BadPort(
            f"invalid ranges specified for container and host Ports: {container} and {host}"
        )
    if protocol not in PROTOCOLS:
        raise BadPort(f"invalid proto: {protocol}")
    found = []
    for step in range(last - first + 1):
        published = str(host_first + step) if host else ""
        if first == last and host_first != host_last:
            published = f"{host_first}-{host_last}"
        port: dict[str, Any] = {"mode": "ingress", "target": first + step, "protocol": protocol}
        port |= {"published": published} if published else {}
        port |= {"host_ip": address} if address else {}
        found.append(port)
    return sorted(found, key=lambda port: f"{port['target']}/{protocol}")


def _address(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not bare:
        return ""
    import ipaddress

    try:
        ipaddress.ip_address(bare.partition("%")[0])
    except ValueError as error:
        raise BadPort(f"invalid IP address: {text}") from error
    return bare


def _range(text: str, what: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    try:
        first, last = int(low), int(high if dash else low)
    except ValueError as error:
        raise BadPort(f"invalid {what}: {text}") from error
    if not (low.isdecimal() and 0 <= first <= last <= 65535):
        raise BadPort(f"invalid {what}: {text}")
    return first, last
