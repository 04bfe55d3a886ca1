"""The directories of `RUN --mount=type=cache`: they outlive builds, and no image holds them.

    <root>/<key>/record.json    the id as written; the file's time is that of the last use
    <root>/<key>/0              the cache; 1, 2, ... are copies of parallel `private` writers
    <root>/.new-*  .old-*       being filled or removed; a restart throws them away

`key` is a hash of namespace, id and origin, so that no id is a path. A directory gets its initial
content, owner and mode before it gets its name. Who holds which is known in memory only: a dead
daemon's steps are dead too. All methods but `clean` run on the event loop.
"""

import asyncio
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sampan.builder.dockerfile.run_mounts import Sharing
from sampan.lib.atomicfile import write_atomic
from sampan.lib.cleanup import shielded
from sampan.lib.workers import Workers

_RECORD = "record.json"
_KEY = re.compile(r"[0-9a-f]{64}")
_NEW, _OLD = ".new-", ".old-"

Fill = Callable[[Path], None]


class _Record(msgspec.Struct, frozen=True):
    id: str
    created_ns: int


@dataclass(frozen=True, slots=True)
class CacheMountInfo:
    """One cache, with all its copies. `id` is the Dockerfile's, `key` is ours."""

    key: str
    id: str
    size_bytes: int
    created_ns: int
    last_used_ns: int
    in_use: bool


CacheMountInfos = list[CacheMountInfo]  # the class below has a method named list


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheWish:
    """Which cache a step wants. `origin` identifies the initial content; owner and mode count when
    the cache is made."""

    id: str
    namespace: str = ""
    origin: str = ""
    sharing: Sharing = Sharing.SHARED
    owner: tuple[int, int] = (0, 0)
    mode: int = 0o755

    @property
    def key(self) -> str:
        parts = (self.namespace, self.id, self.origin)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class CacheMounts:
    """`root` is this daemon's own directory, on the disk of its data root."""

    def __init__(self, root: Path, workers: Workers) -> None:
        self._root = root
        self._workers = workers
        self._held: dict[str, dict[int, list[Sharing]]] = {}
        self._removing: set[str] = set()
        self._changed = asyncio.Condition()

    def clean(self) -> None:
        """At start, blocking: forget what was being filled or removed when a daemon died."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._root.iterdir():
            if path.name.startswith((_NEW, _OLD)) or not (path / _RECORD).exists():
                shutil.rmtree(path, ignore_errors=True)

    @asynccontextmanager
    async def acquire(self, wish: CacheWish, fill: Fill | None = None) -> AsyncIterator[Path]:
        """The cache's directory, for as long as a step runs. `fill` gives the initial content of a
        new one and blocks. Waits for a `locked` cache, and for one that is being removed."""
        key, number = wish.key, await self._take(wish)
        try:
            yield await self._workers.run(self._ready, wish, number, fill)
        finally:
            await shielded(lambda: self._give_back(key, number, wish.sharing), what="cache mount")

    async def list(self) -> CacheMountInfos:
        """All caches. Counts their bytes: takes a while."""
        in_use = frozenset(self._held)
        return await self._workers.run(self._list, in_use)

    async def usage(self) -> int:
        """Bytes of all caches together."""
        return sum(info.size_bytes for info in await self.list())

    async def remove(self, keys: Sequence[str]) -> int:
        """Those that no step holds are removed; returns the bytes that this gave back."""
        freed = 0
        for key in keys:
            if key in self._held or key in self._removing:
                continue
            self._removing.add(key)
            try:
                freed += await self._workers.run(self._remove, key)
            finally:
                self._removing.discard(key)
                async with self._changed:
                    self._changed.notify_all()
        return freed

    # --- who holds what ---------------------------------------------------------------------

    async def _take(self, wish: CacheWish) -> int:
        async with self._changed:
            while (number := self._free(wish)) is None:
                await self._changed.wait()
            self._held.setdefault(wish.key, {}).setdefault(number, []).append(wish.sharing)
            return number

    def _free(self, wish: CacheWish) -> int | None:
        """The copy to use; None: wait."""
        if wish.key in self._removing:
            return None
        held = self._held.get(wish.key, {})
        if wish.sharing is Sharing.LOCKED:
            return 0 if 0 not in held else None
        number = 0
        while number in held and not (
            wish.sharing is Sharing.SHARED and held[number][0] is Sharing.SHARED
        ):
            if wish.sharing is Sharing.SHARED and held[number][0] is Sharing.LOCKED:
                return None
            number += 1
        return number

    async def _give_back(self, key: str, number: int, sharing: Sharing) -> None:
        async with self._changed:
            held = self._held[key]
            held[number].remove(sharing)
            if not held[number]:
                del held[number]
            if not held:
                del self._held[key]
            self._changed.notify_all()

    # --- on disk ----------------------------------------------------------------------------

    def _ready(self, wish: CacheWish, number: int, fill: Fill | None) -> Path:
        folder = self._root / wish.key
        path = folder / str(number)
        record = folder / _RECORD
        if not record.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            body = _Record(wish.id, created_ns=time.time_ns())
            write_atomic(record, msgspec.json.encode(body))
        os.utime(record)
        if not path.exists():
            self._make(path, wish, fill)
        return path

    def _make(self, path: Path, wish: CacheWish, fill: Fill | None) -> None:
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._root))
        try:
            if fill is not None:
                fill(new)
            os.chown(new, *wish.owner)
            new.chmod(wish.mode)
            try:
                new.rename(path)
            except OSError:  # another step of a shared cache was first, and may have written
                if not path.exists():
                    raise
                shutil.rmtree(new, ignore_errors=True)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def _list(self, in_use: frozenset[str]) -> CacheMountInfos:
        found = []
        for folder in sorted(self._root.iterdir()) if self._root.exists() else ():
            try:
                record_file = folder / _RECORD
                record = msgspec.json.decode(record_file.read_bytes(), type=_Record)
                used_ns = record_file.stat().st_mtime_ns
            except (OSError, msgspec.DecodeError):
                continue
            size_bytes = _size_bytes(folder)
            found.append(
                CacheMountInfo(
                    folder.name,
                    record.id,
                    size_bytes,
                    record.created_ns,
                    used_ns,
                    folder.name in in_use,
                )
            )
        return found

    def _remove(self, key: str) -> int:
        folder = self._root / key
        if not _KEY.fullmatch(key) or not folder.is_dir():
            return 0
        size_bytes = _size_bytes(folder)
        old = Path(tempfile.mkdtemp(prefix=_OLD, dir=self._root))
        folder.rename(old / key)
        shutil.rmtree(old, ignore_errors=True)
        return size_bytes


def _size_bytes(folder: Path) -> int:
    """Bytes on disk; what is removed meanwhile doesn't count."""
    total = 0
    pending = [os.fspath(folder)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    total += found.st_blocks * 512
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(entry.path)
    return total
