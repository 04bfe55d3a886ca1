"""The metadata database: SQLite, one connection, one lock.

Journal WAL with synchronous=FULL: when `transaction()` has ended, the change survives a power cut;
when it is left by an exception, nothing changed. Readers wait for a running transaction, so keep
transactions short and do no I/O inside. All methods may be called from any thread.

On a full disk things can still be stopped and removed: the log's blocks are reserved at the start,
and the file has free pages, or else the log couldn't be written back to it and would have to grow.

`Documents` is a table of opaque bodies for the owners of records (containers, networks, volumes).
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sampan.errors import Internal, NotFound
from sampan.store import schema
from sampan.store.members import NoSpace

RESERVED_BYTES = 4 << 20  # longer than the log gets between two checkpoints
CHECKPOINT_PAGES = 800
SPARE_PAGES = 256
PAGE_BYTES = 4096
_CHECK_EVERY = 200  # transactions


class Database:
    """Owner of the file. Transactions of one thread don't nest."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._unchecked = 0  # transactions since the spare pages were counted
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA busy_timeout = 5000")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            schema.migrate(self._connection)
            self._keep_spare_pages()
            _reserve(path)
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """All statements or none; durable when the block has ended.

        Raises Internal when the file can't be written (disk full).
        """
        with self._lock:
            cursor = self._connection.cursor()
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                        raise NoSpace("metadata") from error
                    raise Internal(f"metadata: {error}") from error
                raise
            finally:
                cursor.close()
            self._unchecked += 1
            if self._unchecked >= _CHECK_EVERY:
                self._keep_spare_pages()

    def _keep_spare_pages(self) -> None:
        """Free pages inside the file, with blocks on the disk, which SQLite never gives back."""
        self._unchecked = 0
        run = self._connection.execute
        if run("PRAGMA freelist_count").fetchone()[0] >= SPARE_PAGES // 2:
            return
        with suppress(sqlite3.OperationalError):  # full already
            run("DROP TABLE IF EXISTS spare")
            run("BEGIN IMMEDIATE")
            run("CREATE TABLE spare (pages BLOB)")
            run("INSERT INTO spare VALUES (zeroblob(?))", (SPARE_PAGES * PAGE_BYTES,))
            run("COMMIT")
            run("DROP TABLE spare")
            run("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if self._connection.in_transaction:
            run("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """One consistent look, without a commit."""
        with self._lock:
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _reserve(path: Path) -> None:
    """Give the log its blocks now. SQLite uses them again and again, and takes what lies behind
    the newest entry for no entry."""
    log = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # full already, or a file system that can't
            os.posix_fallocate(log, 0, RESERVED_BYTES)
    finally:
        os.close(log)


class Documents:
    """The bodies of one kind, by id."""

    def __init__(self, database: Database, kind: str) -> None:
        self._database = database
        self._kind = kind

    def put(self, identifier: str, body: bytes) -> None:
        """Create or replace; durable on return."""
        self.put_many({identifier: body})

    def put_many(self, bodies: Mapping[str, bytes]) -> None:
        """All or none."""
        rows = [(self._kind, identifier, body) for identifier, body in bodies.items()]
        with self._database.transaction() as cursor:
            cursor.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", rows)

    def get(self, identifier: str) -> bytes:
        """Raises NotFound."""
        with self._database.reading() as cursor:
            row = cursor.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (self._kind, identifier)
            ).fetchone()
        if row is None:
            raise NotFound(f"no {self._kind} {identifier}")
        body: bytes = row[0]
        return body

    def remove(self, identifier: str) -> None:
        """Idempotent."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "DELETE FROM documents WHERE kind = ? AND id = ?", (self._kind, identifier)
            )

    def all(self) -> list[tuple[str, bytes]]:
        """Ids and bodies, by id."""
        with self._database.reading() as cursor:
            return cursor.execute(
                "SELECT id, body FROM documents WHERE kind = ? ORDER BY id", (self._kind,)
            ).fetchall()
