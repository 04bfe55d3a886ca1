"""HTTP to registries: one connection pool, redirects, certificates, proxies; no registry logic.

`Transport.request` is one exchange and yields whatever answer came. It follows redirects of GET and
HEAD by hand, because storage behind a registry must never see the registry's Authorization header.
Failures below HTTP become `Unreachable`. Retrying is the business of the callers, who know what can
be repeated.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from sampan.errors import InvalidArgument
from sampan.registry.failures import ErrorAnswer, ErrorItem, unreachable
from sampan.registry.settings import RegistrySettings, is_insecure

REDIRECTS = 10
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 256 * 1024

# A body that can be sent again: bytes, or a function that opens the stream anew.
Body = bytes | Callable[[], AsyncIterator[bytes]] | None


class Transport:
    """Lives as long as the daemon; used on one event loop. `close` ends all connections."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, tuple[Mapping[Path, int], ssl.SSLContext | bool]] = {}

    def reconfigure(self, settings: RegistrySettings) -> None:
        """For the next requests; those under way end as they began."""
        self.settings = settings
        self._contexts.clear()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send and yield the answer, its body unread. Raises Unreachable."""
        async with AsyncExitStack() as stack:
            yield await self._follow(stack, method, url, dict(headers or {}), body)

    async def _follow(
        self,
        stack: AsyncExitStack,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Body,
    ) -> aiohttp.ClientResponse:
        for _ in range(REDIRECTS):
            response = await self._send(stack, method, url, headers, body)
            location = response.headers.get("Location")
            if method not in {"GET", "HEAD"} or response.status not in _REDIRECT_STATUSES:
                return response
            if location is None:
                return response
            target = str(URL(url).join(URL(location, encoded=True)))
            self._check_downgrade(url, target)
            if not _same_origin(url, target):
                headers.pop("Authorization", None)
            response.release()
            url = target
        raise ErrorAnswer(
            status=response.status,
            items=(ErrorItem("", f"stopped after {REDIRECTS} redirects"),),
            reason="",
        )

    def _check_downgrade(self, url: str, target: str) -> None:
        """What began over TLS doesn't go on in the open, but to hosts configured for that."""
        if url.startswith("https://") and not self.may_use(target):
            raise ErrorAnswer(
                status=0,
                items=(ErrorItem("", f"redirect to {target} refused: it isn't encrypted"),),
                reason="",
            )

    def may_use(self, url: str) -> bool:
        """Plain HTTP is for loopback and configured hosts."""
        parts = urlsplit(url)
        return parts.scheme == "https" or (
            parts.scheme == "http" and is_insecure(self.settings, parts.netloc)
        )

    async def _send(
        self,
        stack: AsyncExitStack,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body,
    ) -> aiohttp.ClientResponse:
        target = URL(url, encoded=True)
        try:
            return await stack.enter_async_context(
                self._open().request(
                    method,
                    target,
                    headers=headers,
                    data=body() if callable(body) else body,
                    allow_redirects=False,
                    ssl=self._ssl(target),
                    proxy=self._proxy(target),
                )
            )
        except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as error:
            raise unreachable(method, url, error) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60),
                headers={"User-Agent": self.settings.user_agent},
                auto_decompress=False,  # a blob's bytes are hashed as they are
                read_bufsize=_CHUNK_BYTES,
                connector=aiohttp.TCPConnector(limit=64),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _ssl(self, url: URL) -> ssl.SSLContext | bool:
        host = url.raw_authority
        if url.scheme != "https":
            return True
        files = _certificates(self.settings.certs_dir / host)
        known = self._contexts.get(host)
        if known is None or known[0] != files:  # what is put there counts without a restart
            known = self._contexts[host] = files, _context(self.settings, host, list(files))
        return known[1]

    def _proxy(self, url: URL) -> str | None:
        settings = self.settings
        proxy = settings.https_proxy if url.scheme == "https" else settings.http_proxy
        if not proxy or is_insecure(RegistrySettings(), url.raw_authority):
            return None  # never a proxy for loopback
        host = url.raw_host or ""
        for entry in settings.no_proxy.split(","):
            suffix = entry.strip().lstrip("*").lstrip(".")
            if suffix and (host == suffix or host.endswith(f".{suffix}")):
                return None
        return proxy


async def read_capped(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """A whole answer that has to be small. Raises InvalidArgument beyond `limit`, Unreachable."""
    parts: list[bytes] = []
    size = 0
    try:
        async for chunk in response.content.iter_any():
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise InvalidArgument(f"answer of the registry is larger than {limit} bytes")
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(response.method, str(response.url), error) from error
    return b"".join(parts)


def _same_origin(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def _certificates(folder: Path) -> dict[Path, int]:
    """The files of a certs.d folder with their times of change."""
    try:
        return {path: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _context(settings: RegistrySettings, host: str, files: list[Path]) -> ssl.SSLContext | bool:
    if is_insecure(settings, host):
        return False
    if not files:
        return True
    context = ssl.create_default_context()
    for path in files:
        _add_certificate(context, path, files)
    return context


def _add_certificate(context: ssl.SSLContext, path: Path, files: list[Path]) -> None:
    if path.suffix == ".crt":
        context.load_verify_locations(path)
    elif path.suffix == ".cert":
        key = path.with_suffix(".key")
        if key not in files:
            raise InvalidArgument(
                f"missing key {key.name} for client certificate {path.name}. "
                "CA certificates must use the extension .crt"
            )
        context.load_cert_chain(path, key)
    elif path.suffix == ".key" and path.with_suffix(".cert") not in files:
        certificate = path.with_suffix(".cert").name
        raise InvalidArgument(f"missing client certificate {certificate} for key {path.name}")
