"""Virtual addresses of services, as rules in the sandboxes that are in their networks.

Owned by the networking thread. `networks` says what each network's services are; a sandbox gets a
network's rules when it enters (or is taken up again), and new ones when they change. UDP flows to
a service that lost a backend are forgotten: they would talk to nobody as long as they talk.
"""

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.linux import namespaces
from sampan.linux.conntrack import forget_udp_address
from sampan.linux.nft import Nft
from sampan.network.overlay_model import OverlayService
from sampan.network.overlay_rules import vip_removal, vip_text

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """The services of one network."""

    vni: int
    services: tuple[OverlayService, ...] = ()


class VirtualAddresses:
    def __init__(self) -> None:
        self._networks: dict[str, Served] = {}
        self._round = 0

    def set(self, network_id: str, served: Served, sandboxes: Mapping[str, Path]) -> None:
        """What counts from now on, in `sandboxes` (by container) and in those to come."""
        old = self._networks.get(network_id)
        self._networks[network_id] = served
        if old == served:
            return
        self._round += 1
        shrunk = _shrunk(old, served) if old else ()
        for container_id, path in sandboxes.items():
            try:
                self._write(container_id, path, served, shrunk)
            except (OSError, SampanError) as error:  # a sandbox that goes must not stop the others
                log.warning(fields("vip.not_written", container=container_id, reason=error))

    def drop(self, network_id: str) -> None:
        self._networks.pop(network_id, None)

    def enter(self, container_id: str, path: Path, network_id: str) -> None:
        served = self._networks.get(network_id)
        if served:
            self._write(container_id, path, served)

    def leave(self, path: Path, network_id: str) -> None:
        served = self._networks.get(network_id)
        if served:
            with suppress(FileNotFoundError), namespaces.entered_path(path), Nft() as nft:
                nft.run(vip_removal(served.vni))

    def _write(
        self, container_id: str, path: Path, served: Served, shrunk: tuple[str, ...] = ()
    ) -> None:
        with namespaces.entered_path(path), Nft() as nft:
            start = first_turn(container_id, self._round)
            nft.run(vip_text(served.vni, served.services, start))
            for address in shrunk:
                forget_udp_address(address)


def first_turn(container_id: str, number: int) -> int:
    """Where a sandbox's turns begin after the change `number`: with each rewriting the kernel
    counts from 0 again, and the first backends must not have more than their share."""
    return int.from_bytes(hashlib.sha256(f"{container_id}{number}".encode()).digest()[:4], "big")


def _shrunk(old: Served, new: Served) -> tuple[str, ...]:
    """The virtual addresses that lost a backend."""
    now = {service.vip: set(service.backends) for service in new.services}
    return tuple(
        service.vip
        for service in old.services
        if service.vip and set(service.backends) - now.get(service.vip, set())
    )
