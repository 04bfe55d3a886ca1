"""Which program holds a port: for the hint of an error message, read from /proc."""

import os
from contextlib import suppress
from pathlib import Path

_LISTEN, _BOUND = "0A", "07"  # TCP_LISTEN; an unconnected UDP socket shows TCP_CLOSE


def find_listener(proto: str, port: int) -> str:
    """ "name (pid 123)", or "" if it can't be told."""
    inodes = _socket_inodes(proto, port)
    if not inodes:
        return ""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _holds(entry, inodes):
            with suppress(OSError):
                return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
    return ""


def _socket_inodes(proto: str, port: int) -> set[str]:
    """The sockets that listen on (or are bound to) the port, by inode."""
    state = _LISTEN if proto == "tcp" else _BOUND
    found = set()
    for table in (f"/proc/net/{proto}", f"/proc/net/{proto}6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        descriptors = os.listdir(process / "fd")  # noqa: PTH208 - names are enough
    except OSError:
        return False
    for descriptor in descriptors:
        with suppress(OSError):
            target = os.readlink(process / "fd" / descriptor)  # noqa: PTH115 - a magic link
            if target.startswith("socket:[") and target[8:-1] in inodes:
                return True
    return False
