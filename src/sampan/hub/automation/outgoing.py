"""One HTTP POST to an address that a user typed: guarded, bounded, never raising.

    URL -> checked (scheme, no credentials) -> resolved once, checked -> connected to that address
        -> 307/308 to the same host: the same again, at most twice -> status and the body's head

Certificates are verified for the URL's name although the connection is made by address. Nothing of
the environment (proxies, netrc) is used, no cookies are kept, bodies aren't decompressed.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from sampan.errors import InvalidArgument, SampanError
from sampan.hub.automation.addresses import AddressGuard

LIMIT_S = 15.0
EXCERPT_BYTES = 2048
REDIRECTS = 2
URL_MOST = 2048
_FOLLOWED = frozenset({307, 308})  # those that keep the method


class BadTarget(InvalidArgument):
    pass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` 0: there was no answer, and `error` says why."""

    status: int = 0
    error: str = ""
    response: str = ""
    latency_ns: int = 0

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


def check_url(text: str) -> str:
    """The address of a webhook as it is kept. Raises BadTarget. Pure."""
    text = text.strip()
    if not text.isprintable() or " " in text or len(text) > URL_MOST:
        raise BadTarget("the address must be a URL without blanks")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadTarget(f"the address isn't a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise BadTarget("the address must begin with https:// or http:// and a host")
    if "@" in parts.netloc:
        raise BadTarget("the address mustn't contain credentials")
    if port == 0:
        raise BadTarget("port 0 can't be connected to")
    return text


class Poster:
    """Called by the dispatcher, several times at once. `trust`: instead of the system's CAs."""

    def __init__(
        self,
        guard: AddressGuard,
        *,
        limit_s: float = LIMIT_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._limit_s = limit_s
        self._trust = trust

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        started = time.perf_counter_ns()
        try:
            async with asyncio.timeout(self._limit_s):
                status, head = await self._follow(url, body, headers)
        except TimeoutError:
            return self._failed(started, f"no answer within {self._limit_s:g} s")
        except SampanError as error:
            return self._failed(started, error.message)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._failed(started, _reason(error))
        text = head.decode("utf-8", "replace").replace("\0", "\ufffd")
        return Outcome(status, "", text, time.perf_counter_ns() - started)

    @staticmethod
    def _failed(started: int, reason: str) -> Outcome:
        return Outcome(0, reason[:255], "", time.perf_counter_ns() - started)

    async def _follow(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        for _ in range(REDIRECTS + 1):
            status, head, location = await self._once(check_url(url), body, headers)
            if status not in _FOLLOWED or not location:
                return status, head
            url = _same_host(url, location)
        raise BadTarget("too many redirects")

    async def _once(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes, str]:
        parts = URL(url)
        host, port = parts.host or "", parts.port or 0
        address = await self._guard.choose(host, port)
        secure = parts.scheme == "https"
        connector = aiohttp.TCPConnector(force_close=True, limit=1)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=self._limit_s),
            ) as session,
            session.post(
                parts.with_host(address),
                data=body,
                headers={
                    **headers,
                    "Host": parts.authority if parts.explicit_port else _bare(parts),
                },
                allow_redirects=False,
                ssl=self._trust or True,
                server_hostname=host if secure else None,
            ) as answer,
        ):
            head = await _head(answer)
            return answer.status, head, answer.headers.get("Location", "")


def _bare(url: URL) -> str:
    host = url.host or ""
    return f"[{host}]" if ":" in host else host


async def _head(answer: aiohttp.ClientResponse) -> bytes:
    """The beginning of the body; the rest isn't read."""
    found = b""
    while len(found) < EXCERPT_BYTES:
        piece = await answer.content.read(EXCERPT_BYTES - len(found))
        if not piece:
            break
        found += piece
    return found


def _same_host(url: str, location: str) -> str:
    """Where a redirect leads, if it stays with the host and doesn't give up https."""
    target = urljoin(url, location)
    old, new = urlsplit(url), urlsplit(target)
    if new.hostname != old.hostname or (old.scheme == "https" and new.scheme != "https"):
        raise BadTarget("redirects to another host aren't followed")
    return target


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"certificate not accepted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno  # asyncio puts words of its own into strerror
        return f"can't connect: {os.strerror(number) if number else error.os_error}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    return str(error) or type(error).__name__
