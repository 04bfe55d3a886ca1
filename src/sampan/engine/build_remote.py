"""Downloads that builds ask for: ADD of a URL, and `remote` contexts.

Plain GET without credentials; redirects are followed by the client. A file goes to the build's
scratch directory and away with it.
"""

import posixpath
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from sampan.builder.ops.file import Downloaded
from sampan.errors import InvalidArgument, Unavailable, Unsupported
from sampan.lib.ids import random_id

CONNECT_S = 30.0
READ_S = 300.0
CHUNK = 256 << 10


class RemoteFailed(Unavailable):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f'Get "{url}": {reason}')


class NoFileName(InvalidArgument):
    def __init__(self, url: str) -> None:
        super().__init__(f"cannot determine filename from url: {url}")


class UrlDownloader:
    """See ops.file.Downloader; one per build."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    async def download(self, url: str) -> Downloaded:
        name = unquote(posixpath.basename(urlsplit(url).path))
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise NoFileName(url)
        path = self._scratch / f"download-{random_id()[:12]}"
        modified = await _fetch(url, path)
        return Downloaded(path, name, path.stat().st_size, _mtime_ns(modified))

    async def context(self, url: str) -> Path:
        """The body of a remote context: a tar, or a lone Dockerfile. Raises Unsupported for git."""
        if not url.startswith(("http://", "https://")) or url.partition("#")[0].endswith(".git"):
            raise Unsupported("git repositories as build contexts are not built yet")
        path = self._scratch / "remote-context"
        await _fetch(url, path)
        return path


async def _fetch(url: str, path: Path) -> str:
    """Returns Last-Modified. Raises RemoteFailed."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout, trust_env=True, auto_decompress=False
            ) as session,
            session.get(url) as response,
        ):
            if response.status >= 400:
                raise RemoteFailed(url, f"status {response.status} {response.reason}")
            with path.open("wb") as out:
                async for chunk in response.content.iter_chunked(CHUNK):
                    out.write(chunk)
            return response.headers.get("Last-Modified", "")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise RemoteFailed(url, str(error) or type(error).__name__) from error


def _mtime_ns(modified: str) -> int:
    try:
        return int(parsedate_to_datetime(modified).timestamp()) * 1_000_000_000
    except ValueError:
        return 0
