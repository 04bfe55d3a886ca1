"""Host ports: who has which, and sockets that hold them against everybody else.

The traffic itself never meets these sockets (the firewall rewrites it before), but as long as one
is bound no other program gets the port, and we notice if another has it. They are bound, not
listening: should the rules be missing for a moment, clients are refused instead of kept waiting.

A published port may be one on several addresses (0.0.0.0 and its twin [::]); an IPv6 socket never
stands for IPv4 clients.

Ports chosen by us come from the kernel's ephemeral range, counting up, so that a port just given
back isn't handed out at once. Owned by the networking thread (sockets belong to its namespace).
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from sampan.errors import Internal
from sampan.linux.sysctl import read_sysctl
from sampan.network.listeners import find_listener
from sampan.network.model import PortRequest
from sampan.network.ruleset import ANY_ADDRESSES

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_TAKEN = frozenset({errno.EADDRINUSE})


def spell(host_ip: str) -> str:
    """An address as it stands before a port."""
    return f"[{host_ip}]" if ":" in host_ip else host_ip


class PortAllocated(Internal):
    """Another container has it (500, as dockerd answers)."""

    def __init__(self, host_ip: str, port: int) -> None:
        super().__init__(f"Bind for {spell(host_ip)}:{port} failed: port is already allocated")


class PortTaken(Internal):
    """A program outside of us has it, or the address isn't this machine's."""

    def __init__(
        self, proto: str, host_ip: str, port: int, reason: str, *, owner: str = ""
    ) -> None:
        super().__init__(
            f"failed to bind host port {spell(host_ip)}:{port}/{proto}: {reason}",
            hint=f"{owner} listens there" if owner else "",
        )
        self.host_ip = host_ip
        self.reason = reason


class PortsExhausted(Internal):
    def __init__(self) -> None:
        super().__init__("all ports are allocated")


@dataclass(frozen=True, slots=True)
class Reservation:
    """One host port held; `holder` is None where the kernel has no such protocol's sockets."""

    proto: str
    host_ip: str
    port: int
    holder: socket.socket | None


class PortReservations:
    def __init__(self) -> None:
        self._held: dict[tuple[str, int], list[str]] = {}  # (proto, port) -> host addresses
        self._next = 0

    def reserve(self, request: PortRequest, host_ips: Sequence[str]) -> list[Reservation]:
        """Hold the port asked for, or the first free one of its range, or any.

        It is the same port on all of the addresses.
        """
        if request.host_port and not request.host_port_end:
            return self._hold_named(request.proto, host_ips, request.host_port)
        for port in self._candidates(request):
            with suppress(PortAllocated, PortTaken):
                return self._hold(request.proto, host_ips, port)
        if request.host_port:
            raise PortAllocated(host_ips[0], request.host_port)
        raise PortsExhausted

    def _candidates(self, request: PortRequest) -> Iterator[int]:
        if request.host_port:
            yield from range(request.host_port, request.host_port_end + 1)
            return
        first, last = map(int, read_sysctl("net/ipv4/ip_local_port_range").split())
        start = self._next if first <= self._next <= last else first
        for port in (*range(start, last + 1), *range(first, start)):
            self._next = port + 1
            yield port

    def _hold_named(self, proto: str, host_ips: Sequence[str], port: int) -> list[Reservation]:
        try:
            return self._hold(proto, host_ips, port)
        except PortTaken as failure:
            owner = find_listener(proto, port)
            raise PortTaken(proto, failure.host_ip, port, failure.reason, owner=owner) from failure

    def _hold(self, proto: str, host_ips: Sequence[str], port: int) -> list[Reservation]:
        if len(host_ips) == 1:
            return [self._hold_one(proto, host_ips[0], port)]
        held: list[Reservation] = []
        with ExitStack() as undo:
            for host_ip in host_ips:
                held.append(self._hold_one(proto, host_ip, port))
                undo.callback(self.release, held[-1])
            undo.pop_all()
        return held

    def _hold_one(self, proto: str, host_ip: str, port: int) -> Reservation:
        six = ":" in host_ip
        others = [other for other in self._held.get((proto, port), ()) if (":" in other) == six]
        if others and (host_ip in others or ANY_ADDRESSES & {host_ip, *others}):
            raise PortAllocated(host_ip, port)
        holder = None
        if proto in _KINDS:
            try:
                holder = _bind(_KINDS[proto], host_ip, port)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise PortTaken(proto, host_ip, port, reason) from error
        self._held.setdefault((proto, port), []).append(host_ip)
        return Reservation(proto, host_ip, port, holder)

    def release(self, reservation: Reservation) -> None:
        if reservation.holder:
            reservation.holder.close()
        key = (reservation.proto, reservation.port)
        addresses = self._held.get(key, [])
        with suppress(ValueError):
            addresses.remove(reservation.host_ip)
        if not addresses:
            self._held.pop(key, None)


def _bind(kind: socket.SocketKind, host_ip: str, port: int) -> socket.socket:
    """Bind without listening. Connections of an earlier program that only linger don't count."""
    six = ":" in host_ip
    family = socket.AF_INET6 if six else socket.AF_INET
    holder = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    try:
        if six:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # nobody reads it
        try:
            holder.bind((host_ip, port))
        except OSError as error:
            if error.errno not in _TAKEN or kind != socket.SOCK_STREAM:
                raise
            # TIME_WAIT leftovers: with reuse they are no obstacle, but then only listening
            # keeps others out
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((host_ip, port))
            holder.listen(0)
    except BaseException:
        holder.close()
        raise
    return holder
