"""Where the host's own name resolution is configured."""

import time
from collections.abc import Callable
from pathlib import Path

from sampan.network.files import FALLBACK_SERVERS, nameservers

HOST_RESOLV_CONF = Path("/etc/resolv.conf")
_STUB = ["127.0.0.53"]  # systemd-resolved: its real servers stand in another file
_STUB_UPSTREAM = Path("/run/systemd/resolve/resolv.conf")

_FRESH_S = 5.0


def read_host_resolv_conf(path: Path = HOST_RESOLV_CONF) -> str:
    """The resolv.conf that containers start from; "" if the host has none."""
    try:
        text = path.read_text(errors="replace")
        if nameservers(text) == _STUB and _STUB_UPSTREAM.exists():
            text = _STUB_UPSTREAM.read_text(errors="replace")
    except OSError:
        return ""
    return text


class UpstreamServers:
    """The servers that unknown names are asked from, read again every few seconds at most.

    Loopback ones stay in: they are asked from the host's namespace, where they work.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._servers: tuple[str, ...] = ()
        self._read_at: float | None = None

    def get(self) -> tuple[str, ...]:
        now = self._clock()
        if self._read_at is None or now - self._read_at > _FRESH_S:
            text = read_host_resolv_conf()
            self._servers = tuple(nameservers(text)) or FALLBACK_SERVERS
            self._read_at = now
        return self._servers
