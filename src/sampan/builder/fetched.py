"""Sources that no tree has: here-documents, downloads and repositories of one COPY or ADD.

Contents of the Dockerfile and downloads become files of one small tree (given.py); a repository is
a directory of its own. Everything lies in the build's scratch directory and goes away with it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sampan.builder.directory import DirectoryTree
from sampan.builder.git_url import GitUrl, parse_git_url
from sampan.builder.given import GivenFiles
from sampan.errors import InvalidArgument, SampanError
from sampan.lib.tarstream import Entry
from sampan.lib.workers import Workers

_WEB = ("http://", "https://")


class DownloadFailed(InvalidArgument):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"ADD failed: {reason}")
        self.url = url


class WrongDigest(InvalidArgument):
    def __init__(self, url: str, *, expected: str, found: str) -> None:
        super().__init__(f"digest mismatch for {url}: {found}, expected: {expected}")


class BadChecksum(InvalidArgument):
    pass


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`name` is the last element of the URL's path, `path` a file that may be moved away."""

    path: Path
    name: str
    size_bytes: int
    mtime_ns: int


class Downloader(Protocol):
    """Raises a SampanError saying why not. What comes lives as long as the build."""

    async def download(self, url: str) -> Downloaded: ...

    async def clone(self, url: GitUrl, *, keep_git_dir: bool, checksum: str) -> Path:
        """The directory of the repository that `url` means."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`inline` are names and contents; `sources` are all that the instruction names."""

    sources: tuple[str, ...]
    inline: tuple[tuple[str, bytes], ...] = ()
    is_add: bool = False
    checksum: str = ""
    keep_git_dir: bool = False


class Fetched:
    """Call `fetch` once; then `files` and `repositories` are what came, `local` is the rest."""

    def __init__(self, wanted: Wanted, downloader: Downloader, workers: Workers) -> None:
        self._wanted = wanted
        self._downloader = downloader
        self._workers = workers
        self.files = GivenFiles()
        self.repositories: list[DirectoryTree] = []
        self.downloads: set[str] = set()
        self.local: list[str] = []

    async def fetch(self) -> None:
        """Raises DownloadFailed, WrongDigest, BadChecksum."""
        wanted = self._wanted
        for name, content in wanted.inline:
            self.files.add(Entry(name=name, mode=0o644, size_bytes=len(content)), content)
        if wanted.checksum:
            self._check_checksum()
        for source in wanted.sources:
            await self._fetch_one(source)

    async def _fetch_one(self, source: str) -> None:
        wanted = self._wanted
        git = parse_git_url(source) if wanted.is_add else None
        try:
            if git is not None:
                path = await self._downloader.clone(
                    git, keep_git_dir=wanted.keep_git_dir, checksum=wanted.checksum
                )
                self.repositories.append(DirectoryTree(path))
            elif wanted.is_add and source.startswith(_WEB):
                await self._download(source)
            else:
                self.local.append(source)
        except WrongDigest:
            raise
        except SampanError as error:
            raise DownloadFailed(source, error.message) from error

    async def _download(self, url: str) -> None:
        found = await self._downloader.download(url)
        if self._wanted.checksum:
            digest = await self._workers.run(_digest, found.path)
            if digest != self._wanted.checksum:
                raise WrongDigest(url, expected=self._wanted.checksum, found=digest)
        entry = Entry(
            name=found.name, mode=0o600, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns
        )
        self.files.add(entry, found.path)
        self.downloads.add(found.name)

    def _check_checksum(self) -> None:
        wanted = self._wanted
        if len(wanted.sources) + len(wanted.inline) != 1:
            raise BadChecksum("checksum can't be specified for multiple sources")
        source = wanted.sources[0] if wanted.sources else ""
        if parse_git_url(source) is not None:
            if wanted.checksum.strip("0123456789abcdefABCDEF"):
                raise BadChecksum(f"invalid checksum for a git repository: {wanted.checksum}")
            return
        if not source.startswith(_WEB):
            raise BadChecksum("checksum requires HTTP(S) or Git sources")
        algorithm, _, digits = wanted.checksum.partition(":")
        if algorithm != "sha256" or len(digits) != 64 or digits.strip("0123456789abcdef"):
            raise BadChecksum(f"invalid checksum digest format: {wanted.checksum}")


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
