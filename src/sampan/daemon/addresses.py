"""TCP addresses of the API: their grammar, and which of them the network can reach."""

import ipaddress

PLAIN_PORT = 2375
TLS_PORT = 2376


def split(address: str, *, default_port: int = PLAIN_PORT) -> tuple[str, str]:
    """Host and port of what follows `tcp://`; no host means this machine only."""
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address, str(default_port)
    return host.strip("[]") or "127.0.0.1", port or str(default_port)


def is_local(host: str) -> bool:
    """Only programs on this machine can connect. Names other than localhost may mean anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
