"""TLS of the API's TCP sockets, from the configuration.

    --tls                     encrypted, anybody may connect
    --tlsverify               encrypted, for clients with a certificate that tlscacert signed
    neither                   plain: only on loopback addresses
    --tls=false               plain on any address: asked for in so many words
    --tlsverify=false         as --tls, on any address

Whoever reaches the API is root on this machine, so an address that others can reach needs client
certificates or one of the two explicit refusals. Unix sockets never speak TLS. Files that aren't
named are looked for where Docker keeps them: $DOCKER_CERT_PATH, or ~/.docker. All of them are
read again when the configuration is (`Certificates`); whether there is TLS at all stays as it was.
"""

import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from sampan.daemon.addresses import is_local, split
from sampan.daemon.config import Config
from sampan.errors import InvalidArgument


class Exposed(InvalidArgument):
    """An address that gives root away to the network."""

    def __init__(self, address: str, *, encrypted: bool) -> None:
        lacks = "without client certificates" if encrypted else "without TLS"
        explicit = "--tlsverify=false" if encrypted else "--tls=false"
        super().__init__(
            f"refusing to listen on tcp://{address} {lacks}: everyone who can connect would be "
            "root on this machine. Use --tlsverify with --tlscacert, --tlscert and --tlskey, "
            f"listen on 127.0.0.1, or say {explicit} if that is what you want"
        )


class UnusableTls(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid TLS configuration: {reason}")


def check_exposure(config: Config, addresses: Iterable[tuple[str, int]] = ()) -> None:
    """Raises Exposed. `addresses` are those of sockets that were handed to us."""
    encrypted = config.tls_on
    allowed = config.tls_verify is not None if encrypted else config.tls is False
    if allowed:
        return
    for host in config.hosts:
        scheme, _, rest = host.partition("://")
        if scheme == "tcp" and not is_local(split(rest)[0]):
            raise Exposed(rest, encrypted=encrypted)
    for address, port in addresses:
        if not is_local(address):
            raise Exposed(f"{address}:{port}", encrypted=encrypted)


class Certificates:
    """The context for connections that begin now; those that are there keep theirs."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def current(self) -> ssl.SSLContext:
        return self._context

    def reread(self, config: Config) -> None:
        """Raises UnusableTls, and nothing has changed."""
        context = server_context(config)
        if context is not None:
            self._context = context


def server_context(config: Config) -> ssl.SSLContext | None:
    """None for plain sockets. Raises UnusableTls."""
    if not config.tls_on:
        return None
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_pair(
        context,
        config.tls_cert or str(folder / "cert.pem"),
        config.tls_key or str(folder / "key.pem"),
    )
    if config.tls_verify:
        _require_clients(context, config.tls_ca or str(folder / "ca.pem"))
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(_readable(certificate), _readable(key), password=_no_password)
    except (OSError, ValueError) as error:
        raise UnusableTls(
            f'could not load X509 key pair (cert: "{certificate}", key: "{key}"): {_why(error)}'
        ) from error


def _require_clients(context: ssl.SSLContext, authority: str) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(_readable(authority))
    except OSError as error:
        raise UnusableTls(f'could not read CA certificate "{authority}": {_why(error)}') from error


def _readable(path: str) -> str:
    """OpenSSL's own error for a missing file doesn't name it."""
    with Path(path).open("rb"):
        return path


def _no_password() -> str:
    raise ValueError("encrypted private keys are not supported")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"open {error.filename}: {str(error.strerror).lower()}"
    return str(error)


def warnings(config: Config) -> tuple[str, ...]:
    """What /info says about sockets that aren't protected."""
    found = []
    for host in config.hosts:
        scheme, _, address = host.partition("://")
        if scheme == "tcp" and not config.tls_on:
            found.append(f"WARNING: API is accessible on http://{address} without encryption: ")
        elif scheme == "tcp" and not config.tls_verify:
            found.append(
                f"WARNING: API is accessible on https://{address} without client certificates: "
            )
    return tuple(text + "whoever can connect is root on this host" for text in found)
