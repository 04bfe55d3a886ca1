"""Which registries are spoken to, and how: mirrors, insecure registries, certificates.

A registry is named by the domain part of an image reference (`reg.example:5000`). `docker.io` is
served by registry-1.docker.io, or by the host that the settings put in its place (`default`). Any
registry may have mirrors: they are asked first, in order, and only for pulls, without the user's
credentials. A registry is *insecure* when it is on loopback or named in the settings (host,
host:port, or a CIDR that holds its literal address): then its certificate isn't checked, and plain
HTTP is tried when TLS doesn't answer. All others are spoken to over verified TLS alone.

On disk, read only, Docker's layout:

    <certs_dir>/<host[:port]>/*.crt        extra certificate authorities
    <certs_dir>/<host[:port]>/*.cert+.key  client certificates
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sampan.errors import InvalidArgument

HUB_DOMAIN = "docker.io"
HUB_REGISTRY = "registry-1.docker.io"
HUB_INDEX = "https://index.docker.io/v1/"
LOOPBACK = ("127.0.0.0/8", "::1/128")

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """`insecure` and `mirrors` (of docker.io) as dockerd's flags of these names have them;
    `mirrors_of` by registry; `default` is the host[:port] that serves docker.io's names."""

    insecure: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    mirrors_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default: str = ""
    certs_dir: Path = Path("/etc/docker/certs.d")
    max_downloads: int = 3  # layers of one daemon at once, dockerd's default
    max_uploads: int = 5
    max_attempts: int = 5  # of one request or blob, dockerd's default for downloads
    user_agent: str = "sampan"
    http_proxy: str = ""  # URLs; loopback is never proxied
    https_proxy: str = ""
    no_proxy: str = ""  # comma-separated hosts and domain suffixes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base URL to try: `https://host[:port]`, without a slash at the end."""

    base: str
    host: str
    insecure: bool = False
    mirror: bool = False


def check(settings: RegistrySettings) -> None:
    """Raises InvalidArgument for what can't be a mirror or a registry."""
    for mirror in (*settings.mirrors, *(one for of in settings.mirrors_of.values() for one in of)):
        check_mirror(mirror)
    for name in settings.mirrors_of:
        check_host(name)
    if settings.default:
        check_host(settings.default)
    for name in settings.insecure:
        if name.startswith(("http://", "https://")):
            raise InvalidArgument(f"insecure registry {name} should not contain a scheme")


def check_mirror(mirror: str) -> None:
    parts = urlsplit(mirror)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidArgument(f'invalid mirror: unsupported scheme "{parts.scheme}" in "{mirror}"')
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise InvalidArgument(
            f'invalid mirror: path, query, or fragment at end of the URI "{mirror}"'
        )
    if parts.username is not None:
        raise InvalidArgument("invalid mirror: username/password not allowed in URI")


def check_host(name: str) -> None:
    """A registry's name as references have it: host or host:port."""
    if not _HOST.fullmatch(name):
        raise InvalidArgument(f'invalid registry "{name}": it must be HOST or HOST:PORT')


def is_insecure(settings: RegistrySettings, host: str) -> bool:
    """`host` as in a reference: name or address, with or without a port."""
    name = _hostname(host)
    if name == "localhost" or host in settings.insecure or name in settings.insecure:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return any(_holds(network, address) for network in (*LOOPBACK, *settings.insecure))


def registry_host(settings: RegistrySettings, domain: str) -> str:
    """The host that serves the images of `domain`."""
    return (settings.default or HUB_REGISTRY) if domain == HUB_DOMAIN else domain


def mirrors_of(settings: RegistrySettings, domain: str) -> tuple[str, ...]:
    own = settings.mirrors_of.get(domain, ())
    return (*settings.mirrors, *own) if domain == HUB_DOMAIN else own


def endpoints(settings: RegistrySettings, domain: str, *, pull: bool) -> list[Endpoint]:
    """What to try, in order; a later one only when the earlier can't be reached at all."""
    found = []
    for mirror in mirrors_of(settings, domain) if pull else ():
        host = urlsplit(mirror).netloc
        insecure = is_insecure(settings, host)
        found.append(Endpoint(mirror.rstrip("/"), host, insecure, mirror=True))
    host = registry_host(settings, domain)
    insecure = is_insecure(settings, host)
    found.append(Endpoint(f"https://{host}", host, insecure))
    if insecure:
        found.append(Endpoint(f"http://{host}", host, insecure))
    return found


def _hostname(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
