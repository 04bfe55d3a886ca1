"""The sockets the daemon listens on: unix paths, TCP addresses, those that systemd hands over.

Sockets are bound early, so that a taken address fails the start, and accepted from late, when the
engine is ready; until then clients wait in the backlog. A unix socket file that nobody listens on
any more is replaced; one that is answered is left alone.
"""

import grp
import logging
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sampan.daemon import addresses
from sampan.errors import Conflict, InvalidArgument, Unavailable
from sampan.lib.log import fields

log = logging.getLogger(__name__)

GROUPS = ("docker", "sampan")  # the first that exists owns the socket
SOCKET_MODE = 0o660
BACKLOG = 512
SYSTEMD_FIRST = 3  # sd_listen_fds(3)


class SocketInUse(Conflict):
    def __init__(self, address: str) -> None:
        super().__init__(f"failed to load listeners: {address} is in use by another process")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Bound sockets, and the files that go with those which we made."""

    sockets: tuple[socket.socket, ...]
    files: tuple[Path, ...]

    @property
    def tcp_addresses(self) -> list[tuple[str, int]]:
        return [
            listener.getsockname()[:2]
            for listener in self.sockets
            if listener.family != socket.AF_UNIX
        ]

    def close(self) -> None:
        for path in self.files:
            path.unlink(missing_ok=True)
        for listener in self.sockets:
            listener.close()


def open_listeners(
    hosts: tuple[str, ...], group: str, *, tcp_port: int = addresses.PLAIN_PORT
) -> Listeners:
    """Bind all of `hosts`; `tcp_port` is for those without one. All or none."""
    sockets: list[socket.socket] = []
    files: list[Path] = []
    try:
        for host in hosts:
            scheme, _, rest = host.partition("://")
            match scheme:
                case "unix":
                    sockets.append(_unix(Path(rest), group))
                    files.append(Path(rest))
                case "tcp":
                    sockets.append(_tcp(rest, tcp_port))
                case _:
                    sockets.extend(_systemd())
    except BaseException:
        Listeners(tuple(sockets), tuple(files)).close()
        raise
    return Listeners(tuple(sockets), tuple(files))


def _unix(path: Path, group: str) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Nobody may connect between bind and chown.
        before = os.umask(0o777 & ~0o600)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        os.chown(path, 0, _group_id(group, path))
        path.chmod(SOCKET_MODE)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"failed to load listeners: can't create unix socket {path}: {error.strerror}"
        ) from error
    except BaseException:
        listener.close()
        path.unlink(missing_ok=True)
        raise
    return listener


def _clear_stale(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        what = "is a directory" if stat.S_ISDIR(mode) else "exists and is no socket"
        raise Unavailable(f"failed to load listeners: can't create unix socket {path}: {what}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise SocketInUse(f"unix://{path}")


def _group_id(group: str, path: Path) -> int:
    """The group asked for, or the first of the usual ones, or root's."""
    if group:
        if group.isdecimal():
            return int(group)
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            raise InvalidArgument(
                f"failed to load listeners: could not change group {path} to {group}: "
                f"group {group} not found"
            ) from None
    for name in GROUPS:
        with suppress(KeyError):
            return grp.getgrnam(name).gr_gid
    log.warning(fields("no group for the socket, root only", tried=",".join(GROUPS)))
    return 0


def _tcp(address: str, default_port: int) -> socket.socket:
    host, port = addresses.split(address, default_port=default_port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except (OSError, ValueError) as error:
        listener.close()
        raise Unavailable(
            f"failed to load listeners: listen tcp {address}: bind: {error}"
        ) from error
    return listener


def _systemd() -> list[socket.socket]:
    """All sockets of socket activation (`-H fd://`)."""
    count = int(os.environ.get("LISTEN_FDS", "0"))
    if not count or os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise Unavailable("failed to load listeners: no sockets found via socket activation")
    listeners = []
    for descriptor in range(SYSTEMD_FIRST, SYSTEMD_FIRST + count):
        os.set_inheritable(descriptor, False)
        listeners.append(socket.socket(fileno=descriptor))
    return listeners
