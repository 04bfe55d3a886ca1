"""hosts, hostname and resolv.conf of a container: written at each start, bound into it.

They lie in the container's home. The inode is kept when they are written again, so that a running
container sees changes (a network connected later, a linked container that came back). What the
container wrote there itself stays, as with dockerd, when its networks change: lines come and go.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.engine.containers.validate import HOST_GATEWAY, NoHostGateway, check_extra_host
from sampan.network import files
from sampan.network.host_resolver import HOST_RESOLV_CONF, read_host_resolv_conf
from sampan.network.model import HOST

HOST_HOSTS = Path("/etc/hosts")
_MAX_BYTES = 1 << 20  # of a file that the container may have filled


@dataclass(frozen=True, slots=True)
class EtcFacts:
    """`links` are (names, address) pairs; `embedded`: a user-defined network resolves names."""

    addresses: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    embedded: bool = False
    host_gateway: str = ""


class EtcFiles:
    """Blocks; run in a worker."""

    def __init__(self, *, paths: ContainerPaths) -> None:
        self._paths = paths

    def write(self, container: Container, facts: EtcFacts) -> None:
        """All three files."""
        hostname = files.hostname_file(container.config.Hostname)
        _rewrite(self._paths.hostname(container.id), hostname)
        self.write_hosts(container, facts)
        _rewrite(self._paths.resolv_conf(container.id), _resolv_conf(container, facts))

    def write_hosts(self, container: Container, facts: EtcFacts) -> None:
        extra = [*_extra_hosts(container, facts), *facts.links]
        if container.host.NetworkMode == HOST:
            text = _read(HOST_HOSTS) + "".join(f"{address}\t{names}\n" for names, address in extra)
        else:
            text = files.hosts_file(
                hostname=container.config.Hostname,
                domainname=container.config.Domainname,
                addresses=facts.addresses,
                extra_hosts=extra,
            )
        _rewrite(self._paths.hosts(container.id), text)

    def networks_changed(self, before: Container, after: Container) -> None:
        """Of a running container: its own addresses in hosts; the name server once there is one."""
        hosts = _read_bounded(self._paths.hosts(after.id))
        if hosts is not None:
            old, new = _own_lines(before), _own_lines(after)
            text = files.changed_lines(
                hosts,
                add=[line for line in new if line not in old],
                remove=[line for line in old if line not in new],
            )
            _rewrite(self._paths.hosts(after.id), text)
        if embedded(after) and not embedded(before):
            self._name_server_came(before)

    def _name_server_came(self, before: Container) -> None:
        """A container that has chosen other servers meanwhile keeps them."""
        path = self._paths.resolv_conf(before.id)
        present = _read_bounded(path)
        usual = files.nameservers(_resolv_conf(before, EtcFacts()))
        if present is not None and files.nameservers(present) == usual:
            _rewrite(path, files.resolv_conf(present, embedded=True))


def _resolv_conf(container: Container, facts: EtcFacts) -> str:
    """In the host's network its file serves as it is: servers on its loopback are there too."""
    host = container.host
    shares_host = host.NetworkMode == HOST
    host_text = _read(HOST_RESOLV_CONF) if shares_host else read_host_resolv_conf()
    if shares_host and not (host.Dns or host.DnsSearch or host.DnsOptions):
        return host_text
    return files.resolv_conf(
        host_text,
        servers=host.Dns or (files.nameservers(host_text) if shares_host else ()),
        search=host.DnsSearch or (),
        options=host.DnsOptions or (),
        embedded=facts.embedded,
    )


def embedded(container: Container) -> bool:
    """Whether a name server of ours is in its sandbox."""
    return any(one.endpoint and one.endpoint.dns_names for one in container.networks.values())


def _own_lines(container: Container) -> list[str]:
    config = container.config
    return files.own_lines(config.Hostname, config.Domainname, addresses(container))


def addresses(container: Container) -> list[str]:
    """The container's own, in the order of its networks."""
    endpoints = [one.endpoint for one in container.networks.values() if one.endpoint]
    return [text for end in endpoints for text in (end.ipv4, end.ipv6) if text]


def _extra_hosts(container: Container, facts: EtcFacts) -> list[tuple[str, str]]:
    found = []
    for entry in container.host.ExtraHosts or ():
        name, address = check_extra_host(entry)
        if address == HOST_GATEWAY:
            address = facts.host_gateway
            if not address:
                raise NoHostGateway
        found.append((name, address))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _read_bounded(path: Path) -> str | None:
    """None if it can't be one of these files any more."""
    try:
        with path.open("rb") as file:
            found = file.read(_MAX_BYTES + 1)
    except OSError:
        return None
    return found.decode(errors="surrogateescape") if len(found) <= _MAX_BYTES else None


def _rewrite(path: Path, text: str) -> None:
    """In place, and never empty in between: programs read it at any time."""
    body = text.encode(errors="surrogateescape")
    held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(held, 0o644)
        os.pwrite(held, body, 0)
        os.ftruncate(held, len(body))
    finally:
        os.close(held)
