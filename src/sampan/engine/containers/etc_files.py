"""hosts, hostname and resolv.conf of a container: written at each start, bound into it.

They lie in the container's home. The inode is kept when they are written again, so that a running
container sees changes (a network connected later, a linked container that came back).
"""

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


def _rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)
