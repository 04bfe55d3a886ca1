"""The overlay snapshotter: one directory a layer, joined by the kernel's overlayfs.

    <root>/<name>/fs     the layer's files: whiteouts are character devices 0/0
    <root>/<name>/work   overlay's scratch directory; active snapshots only
    <root>/empty         lowest layer of snapshots that have nothing below

Names are short random words: they make up the options of a mount. The database says which
directory belongs to which snapshot and who is its parent; a directory that no row names is garbage
and goes at start. A row is committed only after the directory's file system was synced (syncfs),
so neither `kill -9` nor a power cut leaves a layer that looks whole and isn't. Active snapshots
aren't synced: they hold what a container writes, at its own risk. One whose directory a power cut
took is made anew at start, empty. A volatile mount goes further, see Documentation/filesystems/
overlayfs.rst: the kernel marks the scratch directory, and refuses to mount it again as long as the
mark is there. It means "there may have been a crash"; who mounts again knows better.

Layers are independent of each other on disk because overlay's index, metacopy and redirect_dir
features are off: with them a layer would refer to inodes or paths of the one below.
"""

import logging
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sampan.errors import Conflict
from sampan.lib import gotime
from sampan.lib.log import fields
from sampan.linux.mounts import Mount, overlay
from sampan.linux.sync import syncfs
from sampan.oci.digest import ChainId
from sampan.store.metadata import Database
from sampan.store.removal import remove_tree
from sampan.store.snapshots import (
    Snapshot,
    SnapshotExists,
    SnapshotHasChildren,
    SnapshotKey,
    SnapshotNotFound,
    Stage,
    StagedLayer,
    Usage,
)

log = logging.getLogger(__name__)

OPTIONS = ("index=off", "metacopy=off", "redirect_dir=off")
MAX_LAYERS = 500  # OVL_MAX_STACK of fs/overlayfs/params.h
_EMPTY = "empty"
_DEAD = "dead-"
_MARK = "work/incompat/volatile"


class TooManyLayers(Conflict):
    def __init__(self) -> None:
        super().__init__("max depth exceeded")


class OverlaySnapshotter:
    """See snapshots.Snapshotter. Owner of `root` and of the table `snapshots`."""

    def __init__(self, root: Path, database: Database) -> None:
        self._root = root
        self._database = database
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (root / _EMPTY).mkdir(exist_ok=True, mode=0o755)
        self._stages: set[str] = set()

    def clean(self) -> None:
        """At start, before anything else: directories are what the rows name, no more, no less."""
        with self._database.reading() as cursor:
            rows: list[Row] = cursor.execute("SELECT * FROM snapshots").fetchall()
        known = {row[3] for row in rows} | {_EMPTY} | self._stages
        for path in self._root.iterdir():
            if path.name not in known:
                remove_tree(path)
        for key, parent, committed, directory, *_ in rows:
            if not committed and not (self._root / directory / "work").is_dir():
                log.warning(fields("snapshot.remade", key=key))
                with suppress(OSError):  # a full disk: this one can't be mounted, all others can
                    self._remake(directory, parent)

    def _remake(self, directory: str, parent: str | None) -> None:
        """`work` is made last: where it is, all is."""
        path = self._fs(directory)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        if parent is not None:
            _copy_root_attributes(self.upper(parent), path)
        (self._root / directory / "work").mkdir(mode=0o700)

    # --- layers -----------------------------------------------------------------------------

    def stage(self) -> Stage:
        name = secrets.token_hex(4)
        self._stages.add(name)
        path = self._root / name / "fs"
        path.mkdir(parents=True)
        path.chmod(0o755)
        return Stage(SnapshotKey(name), path)

    def drop_stage(self, stage: Stage) -> None:
        if stage.key in self._stages:
            self._stages.discard(stage.key)
            self._discard(stage.key)

    def commit_stage(
        self, stage: Stage, name: ChainId, parent: ChainId | None, usage: Usage | None = None
    ) -> None:
        self.commit_stages([StagedLayer(stage, name, parent, usage)])

    def commit_stages(self, layers: Sequence[StagedLayer]) -> None:
        if not layers:
            return
        used = [layer.usage or measure(layer.stage.path) for layer in layers]
        self._sync()
        unused = []
        with self._database.transaction() as cursor:
            for layer, usage in zip(layers, used, strict=True):
                if _row(cursor, layer.name) is not None:
                    unused.append(layer.stage)
                    continue
                if layer.parent is not None and _row(cursor, layer.parent) is None:
                    raise SnapshotNotFound(layer.parent)
                _insert(cursor, layer.name, layer.parent, layer.stage.key, committed=usage)
        for stage in unused:
            self.drop_stage(stage)
        self._stages.difference_update(layer.stage.key for layer in layers)

    def prepare(self, key: SnapshotKey, parent: ChainId | None) -> None:
        stage = self.stage()
        try:
            if parent is not None:
                _copy_root_attributes(self.upper(parent), stage.path)
            (self._root / stage.key / "work").mkdir(mode=0o700)
            self._insert_active(key, parent, stage)
        except BaseException:
            self.drop_stage(stage)
            raise
        self._stages.discard(stage.key)

    def _insert_active(self, key: SnapshotKey, parent: ChainId | None, stage: Stage) -> None:
        with self._database.transaction() as cursor:
            if _row(cursor, key) is not None:
                raise SnapshotExists(key)
            if parent is not None and _row(cursor, parent) is None:
                raise SnapshotNotFound(parent)
            _insert(cursor, key, parent, stage.key)

    def commit(self, key: SnapshotKey, name: ChainId) -> None:
        """The snapshot must not be mounted, and nothing may write to it any more."""
        directory = self._directory(key)
        with suppress(FileNotFoundError):  # when done again after a crash in between
            remove_tree(self._root / directory / "work")
        usage = measure(self._root / directory / "fs")
        self._sync()
        with self._database.transaction() as cursor:
            exists = _row(cursor, name) is not None
            if exists:
                cursor.execute("DELETE FROM snapshots WHERE key = ?", (key,))
            else:
                cursor.execute(
                    "UPDATE snapshots SET key = ?, committed = 1, size_bytes = ?, inodes = ?,"
                    " created_ns = ? WHERE key = ?",
                    (name, usage.size_bytes, usage.inodes, gotime.now_ns(), key),
                )
        if exists:
            self._discard(directory)

    def remove(self, key: str) -> None:
        doomed = self.unlink(key)
        if doomed is not None:
            with suppress(OSError):
                remove_tree(doomed)

    def unlink(self, key: str) -> Path | None:
        with self._database.transaction() as cursor:
            row = _row(cursor, key)
            if row is None:
                return None
            try:
                cursor.execute("DELETE FROM snapshots WHERE key = ?", (key,))
            except sqlite3.IntegrityError as error:
                raise SnapshotHasChildren(key) from error
        return self._set_aside(row[3])

    # --- looking ----------------------------------------------------------------------------

    def mounts(self, key: str, *, volatile: bool = False) -> list[Mount]:
        chain = self._chain(key)
        if len(chain) > MAX_LAYERS:
            raise TooManyLayers
        _, _, committed, directory, *_ = chain[0]
        lowers = [self._fs(row[3]) for row in chain]
        if committed:
            # overlay without an upper directory wants two lower ones
            return [overlay([*lowers, self._root / _EMPTY], options=(*OPTIONS, "ro"))]
        below = lowers[1:] or [self._root / _EMPTY]
        work = self._root / directory / "work"
        with suppress(FileNotFoundError):
            remove_tree(work / _MARK)
        options = (*OPTIONS, "volatile") if volatile else OPTIONS
        return [overlay(below, upper=lowers[0], work=work, options=options)]

    def upper(self, key: str) -> Path:
        return self._fs(self._directory(key))

    def lowers(self, key: str) -> list[Path]:
        return [self._fs(row[3]) for row in self._chain(key)[1:]]

    def exists(self, key: str) -> bool:
        with self._database.reading() as cursor:
            return _row(cursor, key) is not None

    def get(self, key: str) -> Snapshot:
        with self._database.reading() as cursor:
            row = _row(cursor, key)
        if row is None:
            raise SnapshotNotFound(key)
        return _snapshot(row)

    def parent(self, key: str) -> SnapshotKey | None:
        return self.get(key).parent

    def usage(self, key: str) -> Usage:
        """Recorded for committed snapshots, measured for active ones."""
        found = self.get(key)
        return found.usage if found.committed else measure(self.upper(key))

    def chain_usage(self, key: str) -> Usage:
        """Of a committed snapshot with all below it."""
        rows = self._chain(key)
        return Usage(sum(row[4] for row in rows), sum(row[5] for row in rows))

    def walk(self) -> Iterator[Snapshot]:
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT * FROM snapshots ORDER BY created_ns").fetchall()
        yield from map(_snapshot, rows)

    # --- inside -----------------------------------------------------------------------------

    def _fs(self, directory: str) -> Path:
        return self._root / directory / "fs"

    def _directory(self, key: str) -> str:
        with self._database.reading() as cursor:
            row = _row(cursor, key)
        if row is None:
            raise SnapshotNotFound(key)
        return row[3]

    def _chain(self, key: str) -> "list[Row]":
        """The snapshot and what is below it, uppermost first."""
        found: list[Row] = []
        following: str | None = key
        with self._database.reading() as cursor:
            while following is not None:
                row = _row(cursor, following)
                if row is None:
                    raise SnapshotNotFound(following)
                found.append(row)
                following = row[1]
        return found

    def _discard(self, directory: str) -> None:
        doomed = self._set_aside(directory)
        if doomed is not None:
            with suppress(OSError):
                remove_tree(doomed)

    def _set_aside(self, directory: str) -> Path | None:
        """Out of sight at once; what can't be removed afterwards goes at the next start."""
        doomed = self._root / (_DEAD + secrets.token_hex(4))
        with suppress(FileNotFoundError):
            (self._root / directory).rename(doomed)
            return doomed
        return None

    def _sync(self) -> None:
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(descriptor)
        finally:
            os.close(descriptor)


# key, parent, committed, directory, size_bytes, inodes, created_ns
Row = tuple[str, str | None, int, str, int, int, int]


def _row(cursor: sqlite3.Cursor, key: str) -> Row | None:
    row: Row | None = cursor.execute("SELECT * FROM snapshots WHERE key = ?", (key,)).fetchone()
    return row


def _insert(
    cursor: sqlite3.Cursor,
    key: str,
    parent: str | None,
    directory: str,
    *,
    committed: Usage | None = None,
) -> None:
    usage = committed or Usage(0, 0)
    cursor.execute(
        "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            parent,
            committed is not None,
            directory,
            usage.size_bytes,
            usage.inodes,
            gotime.now_ns(),
        ),
    )


def _snapshot(row: Row) -> Snapshot:
    key, parent, committed, _, size_bytes, inodes, created_ns = row
    return Snapshot(
        SnapshotKey(key),
        None if parent is None else SnapshotKey(parent),
        bool(committed),
        created_ns,
        Usage(size_bytes, inodes),
    )


def _copy_root_attributes(source: Path, target: Path) -> None:
    """The uppermost layer's root directory is the one that a container sees as "/"."""
    found = source.stat()
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))


def measure(path: Path) -> Usage:
    """Walk a layer. What vanishes meanwhile, or is nested beyond PATH_MAX, doesn't count."""
    total = count = 0
    seen: set[int] = set()
    pending = [os.fspath(path)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    count += 1
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(entry.path)
                    elif found.st_nlink == 1 or found.st_ino not in seen:
                        seen.add(found.st_ino)
                        total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return Usage(total, count)
