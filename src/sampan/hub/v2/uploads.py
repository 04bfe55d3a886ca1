"""Upload sessions: bytes on their way to becoming a blob.

    ROOT/staging/ID     what has arrived; its length is where the session stands
    row in `uploads`    which repository the session belongs to

The digest is computed while bytes arrive, in worker threads. A session met again after a restart
is read once more when it is finished: the state of a hash can't be kept. One request at a time
appends to a session; a new one takes it over from one whose client may be gone, and the bytes that
arrived until then count.
"""

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import StreamReader
from sqlalchemy import Connection, delete, insert, select

from sampan.hub.db.engine import Database
from sampan.hub.db.schema import uploads
from sampan.hub.v2 import repositories
from sampan.hub.v2.errors import DigestInvalid, UploadInvalid, UploadUnknown
from sampan.hub.v2.names import algorithm_of, hasher
from sampan.lib.workers import Workers

if TYPE_CHECKING:
    from hashlib import _Hash

READ_BYTES = 1 << 20
HAND_OVER_BYTES = 1 << 20
REMEMBERED = 1000  # sessions whose hash goes on; more than that are abandoned ones
VECTORS_MOST = 1024  # IOV_MAX
DEFAULT_ALGORITHM = "sha256"

Take = Callable[[int], None]


class Session:
    """One upload's bytes. Methods block, except those that say otherwise; safe for threads."""

    def __init__(self, identifier: str, repository_id: int, path: Path) -> None:
        self.id = identifier
        self.repository_id = repository_id
        self.path = path
        self._lock = threading.Lock()
        self._owner: object = None
        self._is_checked = False  # becoming a blob: these bytes and no others
        self._is_removed = False
        self._descriptor: int | None = None
        self._hash: _Hash | None = None
        self._hashed = 0
        self.size = path.stat().st_size if path.exists() else 0

    def take(self) -> object:
        """Become the one who appends; returns the token for it. Doesn't block long.

        Raises UploadInvalid between `check` and `reopen`.
        """
        with self._lock:
            if self._is_checked:
                raise UploadInvalid("the upload is being finished")
            self._owner = object()
            return self._owner

    def append(self, owner: object, pieces: Sequence[bytes]) -> None:
        """Raises UploadInvalid once somebody else has taken the session over, or UploadUnknown."""
        with self._lock:
            self._check_owner(owner)
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o600)
            is_hashed = self._hashed == self.size
            try:
                written = _write_all(self._descriptor, pieces)
            except OSError:
                os.ftruncate(self._descriptor, self.size)  # the session stands where it stood
                raise
            self.size += written
            if is_hashed:
                self._hash = self._hash or hasher(DEFAULT_ALGORITHM)
                # in one go: taking the interpreter's lock again for each piece costs more than
                # the copy
                self._hash.update(b"".join(pieces))
                self._hashed = self.size

    def release(self, owner: object) -> None:
        """Close the file, unless somebody else appends by now."""
        with self._lock:
            if self._owner is owner:
                self._owner = None
                self._close()

    @property
    def is_idle(self) -> bool:
        """Nobody appends: the session may be forgotten, and be met again by its file."""
        return self._owner is None and not self._is_checked

    def check(self, owner: object, digest: str) -> None:
        """Raises DigestInvalid if the bytes aren't those of `digest`; ends the appending.

        Raises UploadUnknown where they have gone: a blob already, of which the record failed.
        """
        with self._lock:
            self._check_owner(owner)
            self._owner = None
            self._close()
            if not self.path.exists():
                if self.size:
                    raise UploadUnknown(self.id)
                self.path.touch(mode=0o600)
            algorithm = algorithm_of(digest)
            found = self._hash if algorithm == DEFAULT_ALGORITHM else None
            if found is None or self._hashed != self.size:
                found = _hash_of(self.path, algorithm)
            if f"{algorithm}:{found.hexdigest()}" != digest:
                raise DigestInvalid(digest, "content does not match digest")
            self._is_checked = True

    def reopen(self) -> None:
        """It didn't become a blob: requests may go on with it."""
        with self._lock:
            self._is_checked = False

    def _check_owner(self, owner: object) -> None:
        if self._is_removed:
            raise UploadUnknown(self.id)
        if self._owner is not owner:
            raise UploadInvalid("another request goes on with this upload")

    def remove(self) -> None:
        """With its bytes; a request that is at it then hears that there is no such upload."""
        with self._lock:
            self._is_removed = True
            self._owner = None
            self._close()
            self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class HandOver:
    """Gathers the small pieces in which a body arrives into what is worth a worker's while."""

    def __init__(self, session: Session, owner: object, workers: Workers) -> None:
        self._session = session
        self._owner = owner
        self._workers = workers
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None

    async def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= HAND_OVER_BYTES:
            await self._written()
            self._hand_over()

    async def finish(self) -> None:
        await self._written()
        if self._pieces:
            self._hand_over()
            await self._written()

    def _hand_over(self) -> None:
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        self._writing = asyncio.ensure_future(
            self._workers.run(self._session.append, self._owner, pieces)
        )

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing


class Uploads:
    """All sessions of the hub."""

    def __init__(self, *, database: Database, staging: Path, workers: Workers) -> None:
        self._database = database
        self._staging = staging
        self._workers = workers
        self._sessions: dict[str, Session] = {}
        staging.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def start(self, ensure: Callable[[Connection], int]) -> Session:
        """Open a session in the repository that `ensure` finds or makes."""
        identifier = secrets.token_hex(16)

        def run(connection: Connection) -> int:
            repository_id = ensure(connection)
            connection.execute(
                insert(uploads).values(
                    id=identifier, repository_id=repository_id, started_ns=time.time_ns()
                )
            )
            return repository_id

        repository_id = await self._database.write(run)
        return self._remember(identifier, repository_id)

    def _remember(self, identifier: str, repository_id: int) -> Session:
        if len(self._sessions) >= REMEMBERED:
            idle = [each.id for each in self._sessions.values() if each.is_idle]
            for oldest in idle[: REMEMBERED // 10]:
                del self._sessions[oldest]
        session = Session(identifier, repository_id, self._staging / identifier)
        self._sessions[identifier] = session
        return session

    async def start_unlisted(self, ensure: Callable[[Connection], int]) -> Session:
        """A session for one request: no other can go on with it, so no row is needed."""
        repository_id = await self._database.write(ensure)
        identifier = secrets.token_hex(16)
        return Session(identifier, repository_id, self._staging / identifier)

    async def get(self, repository: str, identifier: str) -> Session:
        """Raises UploadUnknown."""

        def run(connection: Connection) -> int | None:
            return connection.execute(
                select(uploads.c.repository_id).where(
                    uploads.c.id == identifier,
                    uploads.c.repository_id == repositories.find_id(connection, repository),
                )
            ).scalar_one_or_none()

        repository_id = await self._database.read(run)
        if repository_id is None:
            self._sessions.pop(identifier, None)
            raise UploadUnknown(identifier)
        return self._sessions.get(identifier) or self._remember(identifier, repository_id)

    async def receive(
        self, session: Session, owner: object, body: StreamReader, take: Take
    ) -> None:
        """Append a request's body: the next piece is read while one is written and hashed.

        Also when it is cut short, what had arrived is in the session. `take` is called with each
        piece's length and raises where there is no room for it.
        """
        hand_over = HandOver(session, owner, self._workers)
        try:
            while data := await body.readany():
                take(len(data))
                await hand_over.add(data)
        finally:
            await hand_over.finish()

    async def check(self, session: Session, owner: object, digest: str) -> None:
        await self._workers.run(session.check, owner, digest)

    async def release(self, session: Session, owner: object) -> None:
        await self._workers.run(session.release, owner)

    async def cancel(self, session: Session) -> None:
        """Forget the session and its bytes."""

        def run(connection: Connection) -> None:
            connection.execute(delete(uploads).where(uploads.c.id == session.id))

        await self._database.write(run)
        self.forget(session.id)
        await self._workers.run(session.remove)

    async def drop(self, identifiers: Sequence[str]) -> None:
        """The bytes of uploads whose repository was removed, and with it their rows."""
        for identifier in identifiers:
            session = self._sessions.pop(identifier, None)
            session = session or Session(identifier, 0, self._staging / identifier)
            await self._workers.run(session.remove)

    def forget(self, identifier: str) -> None:
        """The session has become a blob, or is gone."""
        with suppress(KeyError):
            del self._sessions[identifier]


def _write_all(descriptor: int, pieces: Sequence[bytes]) -> int:
    """How many bytes that were. Raises OSError with a part of them written."""
    total = 0
    for start in range(0, len(pieces), VECTORS_MOST):
        some = pieces[start : start + VECTORS_MOST]
        length = sum(map(len, some))
        written = os.writev(descriptor, some)
        if written < length:  # rare: a signal, or the disk is filling up
            rest = memoryview(b"".join(some))
            while written < length:
                written += os.write(descriptor, rest[written:])
        total += length
    return total


def _hash_of(path: Path, algorithm: str) -> "_Hash":
    found = hasher(algorithm)
    buffer = bytearray(READ_BYTES)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            found.update(memoryview(buffer)[:count])
    return found
