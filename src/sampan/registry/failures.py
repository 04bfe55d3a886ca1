"""What can go wrong with a registry, with the words that Docker's clients know.

`Unreachable` means that no HTTP answer came (the next endpoint may be tried), `ErrorAnswer` that
the registry said no. `resolver` turns the latter into kinds that say what it means for an image.
"""

import errno
import os
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from sampan.errors import DataLoss, Internal

_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})  # X509_V_ERR_* of OpenSSL
_EXPIRED = frozenset({9, 10})

CAP_BYTES = 64 * 1024  # of an error body; the rest isn't read


@dataclass(frozen=True, slots=True)
class ErrorItem:
    """One entry of a registry's error body: `MANIFEST_UNKNOWN`, text."""

    code: str
    message: str

    def __str__(self) -> str:
        words = self.code.lower().replace("_", " ")
        return f"{words}: {self.message}" if words else self.message


class ErrorAnswer(Internal):
    """The registry answered with an error status."""

    def __init__(self, *, status: int, items: tuple[ErrorItem, ...], reason: str) -> None:
        text = "\n".join(str(item) for item in items)
        if len(items) > 1:
            text = f"errors:\n{text}\n"
        super().__init__(text or f"received unexpected HTTP status: {status} {reason}")
        self.status = status
        self.items = items

    def has(self, *codes: str) -> bool:
        return any(item.code in codes for item in self.items)


class Unreachable(Internal):
    """No answer: connection refused, unknown host, bad certificate, broken off, timed out."""

    def __init__(self, *, method: str, url: str, reason: str) -> None:
        super().__init__(f'{method.capitalize()} "{url}": {reason}')
        self.reason = reason


class NoBasicCredentials(Internal):
    """The registry wants a name and a password, and there are none."""

    def __init__(self, *, method: str, url: str) -> None:
        super().__init__(f'{method.capitalize()} "{url}": no basic auth credentials')


class BlobCorrupt(DataLoss):
    """What the registry sent isn't what the digest promises."""

    def __init__(self, *, digest: str) -> None:
        super().__init__(f"filesystem layer verification failed for digest {digest}")


class _Entry(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _ErrorBody(msgspec.Struct, frozen=True):
    errors: list[_Entry] = []
    details: str = ""  # token servers
    message: str = ""


async def read_error(response: aiohttp.ClientResponse) -> ErrorAnswer:
    """The error in a response with an error status; never raises for a strange body."""
    items: tuple[ErrorItem, ...] = ()
    body = b""
    try:
        body = await response.content.read(CAP_BYTES)
        parsed = msgspec.json.decode(body, type=_ErrorBody)
        items = tuple(ErrorItem(entry.code, entry.message) for entry in parsed.errors)
        if not items and (parsed.details or parsed.message):
            items = (ErrorItem("", parsed.details or parsed.message),)
    except (msgspec.MsgspecError, aiohttp.ClientError, OSError):
        pass
    if response.status == 401 and _lacks_scope(response):
        # who is known but not allowed: Docker's clients say so, whatever the body says
        items = (ErrorItem("DENIED", "requested access to the resource is denied"),)
    elif not items and response.status == 401:
        items = (ErrorItem("UNAUTHORIZED", "authentication required"),)
    return ErrorAnswer(status=response.status, items=items, reason=response.reason or "")


def _lacks_scope(response: aiohttp.ClientResponse) -> bool:
    """RFC 6750: the token is good, but not for this."""
    offered = response.headers.getall("WWW-Authenticate", [])
    return any(
        value[:7].lower() == "bearer " and 'error="insufficient_scope"' in value
        for value in offered
    )


def unreachable(method: str, url: str, error: BaseException) -> Unreachable:
    """Name the cause as Go's net package does, because users search for those words."""
    return Unreachable(method=method, url=url, reason=_reason(error))


def _reason(error: Any) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_x509(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientSSLError):
        cause = error.os_error
        if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {cause}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {error.host}:{error.port}: connect: {_os_text(error.os_error)}"
    if isinstance(error, aiohttp.ServerTimeoutError | TimeoutError):
        return "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "unexpected EOF"
    return _plain_reason(error)


def _plain_reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return _os_text(error)
    if isinstance(error, UnicodeError):  # Python's codec for names of hosts
        return "dial tcp: lookup: no such host"
    return str(error) or type(error).__name__


def _os_text(error: OSError) -> str:
    if error.errno == errno.ECONNRESET:
        return "connection reset by peer"
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _x509(error: Exception) -> str:
    """As Go's crypto/x509 says it."""
    code = getattr(error, "verify_code", 0)
    if code in _UNKNOWN_AUTHORITY:
        return "certificate signed by unknown authority"
    if code in _EXPIRED:
        return "certificate has expired or is not yet valid"
    return str(getattr(error, "verify_message", "") or error)
