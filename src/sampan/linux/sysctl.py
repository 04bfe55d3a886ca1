"""Kernel settings under /proc/sys; those of net/ belong to the calling thread's namespace."""

from collections.abc import Iterable
from pathlib import Path

_ROOT = Path("/proc/sys")


def read_sysctl(path: str) -> str:
    """The value at a path such as "net/ipv4/ip_forward" (dots may be part of interface names)."""
    return (_ROOT / path).read_text().strip()


def write_sysctl(path: str, value: str) -> None:
    (_ROOT / path).write_text(value)


def ensure_sysctl(path: str, value: str) -> bool:
    """Write only what differs; False if the kernel has no such setting."""
    try:
        if read_sysctl(path) != value:
            write_sysctl(path, value)
    except FileNotFoundError:
        return False
    return True


def ensure_ipv6_forwarding(uplinks: Iterable[str]) -> None:
    """Forward IPv6, and keep taking routes on `uplinks` from routers that announce them.

    A kernel that forwards believes announcements only where accept_ra is 2; without that a host
    would lose its default route some minutes later.
    """
    if read_sysctl("net/ipv6/conf/all/forwarding") == "1":
        return
    for name in uplinks:
        path = f"net/ipv6/conf/{name}/accept_ra"
        if read_sysctl(path) == "1":
            write_sysctl(path, "2")
    write_sysctl("net/ipv6/conf/all/forwarding", "1")
