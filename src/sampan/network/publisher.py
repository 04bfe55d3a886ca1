"""Published ports of containers: reservations, rules and forgotten flows, together.

Owned by the networking thread. A port is reserved before its rule is written and released after
its rule is gone; what is published keeps its reservation even while it leads nowhere (its network
was disconnected).

A port published on all of the host's IPv4 addresses is published on all of the IPv6 ones too if the
container has an IPv6 address. What rules can't translate (clients on the host's own ::1, an IPv6
address of the host for a container without one) `relay` carries: `doors` are its sockets.
"""

import logging
import socket
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from sampan.errors import Unsupported
from sampan.lib.cleanup import attempted
from sampan.lib.log import fields
from sampan.linux.conntrack import forget_udp_port
from sampan.network.firewall import Firewall
from sampan.network.model import PortRequest, PublishedPort
from sampan.network.portmap import PortReservations, PortTaken, Reservation, spell
from sampan.network.ruleset import IPV4, IPV6, PortRule

log = logging.getLogger(__name__)

_HOST_IPV6 = Path("/proc/net/if_inet6")  # missing: the kernel does without
_RELAYED = "tcp"
_BACKLOG = 128


class Target(NamedTuple):
    """The addresses of a container that ports lead to; "" for none."""

    ipv4: str = ""
    ipv6: str = ""

    def reached_from(self, host_ip: str) -> str:
        """Where rules lead what came to `host_ip`; "": they can't."""
        if ":" not in host_ip:
            return self.ipv4
        return "" if host_ip == IPV6.loopback else self.ipv6


@dataclass(slots=True)
class Publication:
    """The ports of one container, and the addresses that they lead to."""

    ports: list[tuple[Reservation, int]] = field(default_factory=list)  # with container port
    target: Target = field(default_factory=Target)

    def rules(self) -> list[PortRule]:
        found = []
        for held, container_port in self.ports:
            address = self.target.reached_from(held.host_ip)
            if address:
                found.append(PortRule(held.proto, held.host_ip, held.port, address, container_port))
        return found


class Publisher:
    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall
        self._reservations = PortReservations()
        self._publications: dict[str, Publication] = {}

    def target(self, container_id: str) -> Target:
        """May be called from any thread."""
        found = self._publications.get(container_id)
        return found.target if found else Target()

    def has_ports(self, container_id: str) -> bool:
        return container_id in self._publications

    def publish(
        self,
        container_id: str,
        target: Target,
        requests: Sequence[PortRequest],
        default_host_ip: str,
    ) -> tuple[PublishedPort, ...]:
        """All of `requests` or none. Raises PortAllocated, PortTaken, PortsExhausted."""
        held: list[tuple[Reservation, int]] = []
        with ExitStack() as undo:
            for request in requests:
                addresses = host_addresses(request, target, default_host_ip)
                for entry in self._reservations.reserve(request, addresses):
                    undo.callback(self._reservations.release, entry)
                    held.append((entry, request.container_port))
            self._add(container_id, target, held, undo)
            undo.pop_all()
        return tuple(
            PublishedPort(entry.proto, port, entry.host_ip, entry.port) for entry, port in held
        )

    def _add(
        self,
        container_id: str,
        target: Target,
        held: list[tuple[Reservation, int]],
        undo: ExitStack,
    ) -> None:
        if not held:
            return
        fresh = Publication(held, target)
        undo.callback(attempted, self._firewall.remove_ports, fresh.rules(), what="undo ports")
        self._firewall.add_ports(fresh.rules())
        self._forget_flows(fresh)
        publication = self._publications.setdefault(container_id, Publication(target=target))
        publication.ports += held

    def restore(self, container_id: str, target: Target, ports: Sequence[PublishedPort]) -> None:
        """Take up ports published by an earlier daemon, whose rules still work."""
        held: list[tuple[Reservation, int]] = []
        for port in ports:
            request = PortRequest(port.proto, port.container_port, port.host_ip, port.host_port)
            try:
                entry = self._reservations.reserve(request, (port.host_ip,))[0]
            except PortTaken as failure:  # somebody came while nobody held it; our rule goes first
                log.warning(fields("port.not_reserved", reason=failure.message))
                entry = Reservation(port.proto, port.host_ip, port.host_port, None)
            held.append((entry, port.container_port))
        if held:
            self._publications[container_id] = Publication(held, target)
            self._firewall.add_ports(self._publications[container_id].rules())

    def redirect(self, container_id: str, target: Target) -> None:
        """Lead the container's ports to other addresses of it, or nowhere; or all is as before."""
        publication = self._publications.get(container_id)
        if publication is None or publication.target == target:
            return
        former = publication.target
        with ExitStack() as undo:
            undo.callback(attempted, self._lead, publication, former, what="undo a redirection")
            self._lead(publication, target)
            undo.pop_all()

    def _lead(self, publication: Publication, target: Target) -> None:
        old = publication.rules()
        publication.target = target
        fresh = publication.rules()
        replaced = {rule.key for rule in fresh}
        self._firewall.add_ports(fresh)
        self._firewall.remove_ports([rule for rule in old if rule.key not in replaced])
        self._forget_flows(publication)

    def withdraw_ports(self, container_id: str, ports: Collection[tuple[str, int]]) -> None:
        """Only these (protocol, host port); the others go on."""
        publication = self._publications.get(container_id)
        if publication is None:
            return
        going = [one for one in publication.ports if (one[0].proto, one[0].port) in ports]
        gone = Publication(going, publication.target)
        publication.ports = [one for one in publication.ports if one not in going]
        try:
            self._firewall.remove_ports(gone.rules())
            self._forget_flows(gone)
        finally:
            for reservation, _ in going:
                self._reservations.release(reservation)

    def withdraw(self, container_id: str) -> None:
        publication = self._publications.pop(container_id, None)
        if publication is None:
            return
        try:
            self._firewall.remove_ports(publication.rules())
            self._forget_flows(publication)
        finally:
            for reservation, _ in publication.ports:
                self._reservations.release(reservation)

    def _forget_flows(self, publication: Publication) -> None:
        for held, _ in publication.ports:
            if held.proto == "udp":
                six = ":" in held.host_ip
                forget_udp_port(held.port, socket.AF_INET6 if six else socket.AF_INET)

    def doors(self, container_id: str) -> list[tuple[socket.socket, int]]:
        """Listening sockets for what rules don't catch, with container ports; the caller's own."""
        publication = self._publications.get(container_id)
        opened: list[tuple[socket.socket, int]] = []
        for held, container_port in publication.ports if publication else ():
            if held.proto == _RELAYED and held.holder and ":" in held.host_ip:
                held.holder.listen(_BACKLOG)
                door = held.holder.dup()
                door.setblocking(False)
                opened.append((door, container_port))
        return opened

    def close(self) -> None:
        """Let go of the host's ports; the rules stay."""
        for publication in self._publications.values():
            for reservation, _ in publication.ports:
                self._reservations.release(reservation)
        self._publications.clear()


def host_addresses(request: PortRequest, target: Target, default: str) -> list[str]:
    """The addresses of the host that a port is published on."""
    address = ip_address(request.host_ip or default)
    chosen = str((address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address)
    if not request.host_ip and chosen == IPV4.any and target.ipv6 and _HOST_IPV6.exists():
        return [chosen, IPV6.any] if target.ipv4 else [IPV6.any]
    if not target.reached_from(chosen):
        if ":" not in chosen:
            raise Unsupported(f"publishing on {chosen}: the container has no IPv4 address")
        if request.proto != _RELAYED:
            raise Unsupported(
                f"publishing {request.proto} on {spell(chosen)}: only TCP is relayed from there",
                hint="publish on 127.0.0.1, or on another address of the host",
            )
    return [chosen]
