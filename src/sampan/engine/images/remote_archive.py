"""Archives that `docker import URL` fetches: a plain GET, bounded in size and time.

    connecting 30 s, silence 5 minutes, all of it 6 hours, 64 GiB

The body is never kept: it goes through chunk by chunk, and a limit that is passed ends it. What is
compressed stays so. Redirects are followed, proxies taken from the environment, as Docker does.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp

from sampan.errors import InvalidArgument, SampanError, Unavailable
from sampan.lib.units import human_size

_CHUNK = 256 << 10
_SAID_BYTES = 1024  # of an error's body


@dataclass(frozen=True, slots=True)
class Limits:
    connect_s: float = 30.0
    silence_s: float = 300.0
    total_s: float = 6 * 3600.0
    max_bytes: int = 64 << 30


DEFAULT_LIMITS = Limits()


class FetchFailed(Unavailable):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f'Get "{url}": {reason}')


class FetchRefused(SampanError):
    """dockerd answers 500, in these words."""

    def __init__(self, url: str, status: str, said: str) -> None:
        told = f": {said}" if said else ""
        super().__init__(f"failed to GET {url} with status {status}{told}")


class TooLarge(InvalidArgument):
    def __init__(self, url: str, limit_bytes: int) -> None:
        super().__init__(
            f"{url} is larger than {human_size(limit_bytes)}",
            hint="fetch it yourself and import it from the file",
        )


class UnsupportedScheme(InvalidArgument):
    def __init__(self, url: str) -> None:
        scheme = url.partition("://")[0]
        super().__init__(f'Get "{url}": unsupported protocol scheme "{scheme}"')


@dataclass(frozen=True, slots=True)
class RemoteArchive:
    """`size_bytes` is what the server says, 0 if it doesn't."""

    size_bytes: int
    chunks: AsyncIterator[bytes]


def complete_url(source: str) -> str:
    """Without a scheme it is http. Raises UnsupportedScheme."""
    url = source if "://" in source else f"http://{source}"
    if not url.startswith(("http://", "https://")):
        raise UnsupportedScheme(url)
    return url


class RemoteArchives:
    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[RemoteArchive]:
        """Raises FetchFailed, FetchRefused and TooLarge, the chunks too."""
        limits = self._limits
        timeout = aiohttp.ClientTimeout(
            total=limits.total_s, sock_connect=limits.connect_s, sock_read=limits.silence_s
        )
        session = aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=False)
        async with session:
            with _told(url):
                response = await session.get(url)
            async with response:
                with _told(url):
                    await _check_status(url, response)
                size_bytes = response.content_length or 0
                if size_bytes > limits.max_bytes:
                    raise TooLarge(url, limits.max_bytes)
                yield RemoteArchive(size_bytes, self._chunks(url, response))

    async def _chunks(self, url: str, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        count = 0
        pieces = response.content.iter_chunked(_CHUNK)
        while True:
            with _told(url):
                chunk = await anext(pieces, b"")
            if not chunk:
                return
            count += len(chunk)
            if count > self._limits.max_bytes:
                raise TooLarge(url, self._limits.max_bytes)
            yield chunk


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise FetchFailed(url, "context deadline exceeded") from error
    except (aiohttp.ClientError, OSError) as error:
        raise FetchFailed(url, str(error) or type(error).__name__) from error
    except UnicodeError as error:  # Python's codec for names of hosts
        raise FetchFailed(url, "dial tcp: lookup: no such host") from error


async def _check_status(url: str, response: aiohttp.ClientResponse) -> None:
    if response.status >= 400:
        said = (await response.content.read(_SAID_BYTES)).decode(errors="replace").strip()
        raise FetchRefused(url, f"{response.status} {response.reason}", said)
