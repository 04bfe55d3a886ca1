"""What builds fetch from elsewhere: ADD of a URL or a repository, and `remote` contexts.

Repositories are build_git.py's. A URL is a plain GET without credentials; redirects are followed by
the client. A file goes to the build's scratch directory and away with it.
"""

import posixpath
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from sampan.builder.fetched import Downloaded
from sampan.builder.git_url import GitUrl, parse_git_url
from sampan.engine.build_git import GitClones
from sampan.errors import InvalidArgument, Unavailable
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers

CONNECT_S = 30.0
READ_S = 300.0
CHUNK = 256 << 10


class RemoteFailed(Unavailable):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f'Get "{url}": {reason}')


class BadRemote(InvalidArgument):
    def __init__(self, url: str) -> None:
        super().__init__(f"unable to prepare context: {url} is neither a URL nor a repository")


class NoFileName(InvalidArgument):
    def __init__(self, url: str) -> None:
        super().__init__(f"cannot determine filename from url: {url}")


class UrlDownloader:
    """See fetched.Downloader; one per build."""

    def __init__(self, scratch: Path, workers: Workers) -> None:
        self._scratch = scratch
        self._clones = GitClones(scratch, workers)

    async def download(self, url: str) -> Downloaded:
        name = unquote(posixpath.basename(urlsplit(url).path))
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise NoFileName(url)
        path = self._scratch / f"download-{random_id()[:12]}"
        modified = await _fetch(url, path)
        return Downloaded(path, name, path.stat().st_size, _mtime_ns(modified))

    async def clone(self, url: GitUrl, *, keep_git_dir: bool, checksum: str) -> Path:
        return await self._clones.clone(url, keep_git_dir=keep_git_dir, checksum=checksum)

    async def context(self, url: str, *, keep_git_dir: bool = False) -> Path:
        """A remote context: the directory of a repository, or a file (a tar, a Dockerfile)."""
        git = parse_git_url(url)
        if git is not None:
            return await self._clones.clone(git, keep_git_dir=keep_git_dir)
        if not url.startswith(("http://", "https://")):
            raise BadRemote(url)
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
