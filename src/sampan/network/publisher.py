"""Published ports of containers: reservations, rules and forgotten flows, together.

Owned by the networking thread. A port is reserved before its rule is written and released after
its rule is gone; what is published keeps its reservation even while it leads nowhere (its network
was disconnected).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from sampan.errors import Unsupported
from sampan.lib.log import fields
from sampan.linux.conntrack import forget_udp_port
from sampan.network.firewall import Firewall, PortRule
from sampan.network.model import PortRequest, PublishedPort
from sampan.network.portmap import PortReservations, PortTaken, Reservation

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Publication:
    """The ports of one container, and the address that they lead to ("": nowhere)."""

    ports: list[tuple[Reservation, int]] = field(default_factory=list)  # with container port
    target: str = ""

    def rules(self) -> list[PortRule]:
        if not self.target:
            return []
        return [
            PortRule(held.proto, held.host_ip, held.port, self.target, container_port)
            for held, container_port in self.ports
        ]


class Publisher:
    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall
        self._reservations = PortReservations()
        self._publications: dict[str, Publication] = {}

    def target(self, container_id: str) -> str:
        found = self._publications.get(container_id)
        return found.target if found else ""

    def has_ports(self, container_id: str) -> bool:
        return container_id in self._publications

    def publish(
        self, container_id: str, target: str, requests: Sequence[PortRequest], default_host_ip: str
    ) -> tuple[PublishedPort, ...]:
        """All of `requests` or none. Raises PortAllocated, PortTaken, PortsExhausted."""
        held: list[tuple[Reservation, int]] = []
        try:
            for request in requests:
                host_ip = _check_host_ip(request.host_ip or default_host_ip)
                held.append((self._reservations.reserve(request, host_ip), request.container_port))
            self._add(container_id, target, held)
        except BaseException:
            for reservation, _ in held:
                self._reservations.release(reservation)
            raise
        return tuple(
            PublishedPort(entry.proto, port, entry.host_ip, entry.port) for entry, port in held
        )

    def _add(self, container_id: str, target: str, held: list[tuple[Reservation, int]]) -> None:
        if not held:
            return
        fresh = Publication(held, target)
        self._firewall.add_ports(fresh.rules())
        self._forget_flows(fresh)
        publication = self._publications.setdefault(container_id, Publication(target=target))
        publication.ports += held

    def restore(self, container_id: str, target: str, ports: Sequence[PublishedPort]) -> None:
        """Take up ports published by an earlier daemon, whose rules still work."""
        held: list[tuple[Reservation, int]] = []
        for port in ports:
            request = PortRequest(port.proto, port.container_port, port.host_ip, port.host_port)
            try:
                entry = self._reservations.reserve(request, port.host_ip)
            except PortTaken as failure:  # somebody came while nobody held it; our rule goes first
                log.warning(fields("port.not_reserved", reason=failure.message))
                entry = Reservation(port.proto, port.host_ip, port.host_port, None)
            held.append((entry, port.container_port))
        if held:
            self._publications[container_id] = Publication(held, target)
            self._firewall.add_ports(self._publications[container_id].rules())

    def redirect(self, container_id: str, target: str) -> None:
        """Lead the container's ports to another address of it, or nowhere ("")."""
        publication = self._publications.get(container_id)
        if publication is None or publication.target == target:
            return
        old = publication.rules()
        publication.target = target
        if target:
            self._firewall.add_ports(publication.rules())
        else:
            self._firewall.remove_ports(old)
        self._forget_flows(publication)

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
                forget_udp_port(held.port)

    def close(self) -> None:
        """Let go of the host's ports; the rules stay."""
        for publication in self._publications.values():
            for reservation, _ in publication.ports:
                self._reservations.release(reservation)
        self._publications.clear()


def _check_host_ip(text: str) -> str:
    if ip_address(text).version != 4:
        raise Unsupported(f"publishing on {text}: only IPv4 host addresses work")
    return text
