"""Kernel settings under /proc/sys; those of net/ belong to the calling thread's namespace."""

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
