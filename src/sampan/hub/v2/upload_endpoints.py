"""Endpoints of uploads: start, append, status, finish, cancel, mount.

POST   .../blobs/uploads/                     202, a session
POST   .../blobs/uploads/?digest=D            201, the body is the whole blob
POST   .../blobs/uploads/?mount=D&from=NAME   201, or 202 and a session when it can't be
PATCH  .../blobs/uploads/ID                   202; with Content-Range only in order (416)
PUT    .../blobs/uploads/ID?digest=D          201; a body is the last bytes
GET    .../blobs/uploads/ID                   204; DELETE 204
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import Denied, NotFound, Unauthenticated
from sampan.hub.accounts.plans import StorageFull
from sampan.hub.v2 import repositories
from sampan.hub.v2.blobs import Commit
from sampan.hub.v2.calls import Call
from sampan.hub.v2.errors import (
    API_VERSION,
    DigestInvalid,
    NameInvalid,
    NameUnknown,
    RangeInvalid,
    SizeInvalid,
    UploadInvalid,
    UploadUnknown,
)
from sampan.hub.v2.names import canonical, check_digest, check_name, hasher
from sampan.hub.v2.quotas import Room
from sampan.hub.v2.uploads import Session

# no more bytes can make it right: the session goes, with its bytes
_FATAL = (DigestInvalid, NameUnknown, StorageFull, UploadUnknown)
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d{1,18})-(\d{1,18})(?:/.*)?", re.ASCII)


async def start(call: Call) -> web.StreamResponse:
    await call.require("push")
    if algorithm := call.query("digest-algorithm"):
        hasher(algorithm)
    if call.query("mount") and (mounted := await _mount(call)):
        return mounted
    if digest := call.query("digest"):
        return await _whole(call, check_digest(digest))
    if room := await call.parts.quotas.open(call.target.repository):
        room.check(1)
    session = await call.parts.uploads.start(_ensure(call))
    return web.Response(status=202, headers=_standing(call, session))


def _ensure(call: Call) -> "repositories.Ensure":
    def ensure(connection: Connection) -> int:
        return repositories.ensure(
            connection, call.target.repository, is_private=call.parts.private_by_default
        )

    return ensure


async def _mount(call: Call) -> web.Response | None:
    """None when the client has to upload: nothing is said about why."""
    digest = check_digest(call.query("mount"))
    try:
        source = canonical(check_name(call.query("from") or call.target.name))
        await call.parts.access.require(call.request, source, "pull")
    except (Unauthenticated, Denied, NotFound, NameInvalid):
        return None
    checked = call.parts.quotas.checked(call.target.repository)
    if not await call.parts.blobs.mount(_ensure(call), digest, source, checked):
        return None
    return _created(call, digest)


async def _whole(call: Call, digest: str) -> web.Response:
    parts = call.parts
    session = await parts.uploads.start_unlisted(_ensure(call))
    try:
        await _finish(call, session, digest)
    except BaseException:
        await parts.workers.run(session.remove)
        raise
    return _created(call, digest)


async def append(call: Call) -> web.StreamResponse:
    await call.require("push")
    session = await _session(call)
    uploads = call.parts.uploads
    async with _ending(call, session), _room(call, session) as room:
        owner = session.take()
        try:
            _check_order(call, session)
            await uploads.receive(session, owner, call.request.content, room.take)
        finally:
            await uploads.release(session, owner)
        await _session(call)  # its repository may have been removed meanwhile
    return web.Response(status=202, headers=_standing(call, session))


async def status(call: Call) -> web.StreamResponse:
    await call.require("push")
    return web.Response(status=204, headers=_standing(call, await _session(call)))


async def cancel(call: Call) -> web.StreamResponse:
    await call.require("push")
    await call.parts.uploads.cancel(await _session(call))
    return web.Response(status=204, headers=API_VERSION)


async def finish(call: Call) -> web.StreamResponse:
    await call.require("push")
    session = await _session(call)
    digest = call.query("digest")
    if not digest:
        raise DigestInvalid("", "digest parameter missing")
    check_digest(digest)
    async with _ending(call, session):
        await _finish(call, session, digest, listed=True)
    call.parts.uploads.forget(session.id)
    return _created(call, digest)


@asynccontextmanager
async def _ending(call: Call, session: Session) -> AsyncIterator[None]:
    """What can't become a blob any more leaves nothing behind."""
    try:
        yield
    except _FATAL:
        await call.parts.uploads.cancel(session)
        raise


class _Taking:
    """One request's bytes, counted where their namespace has a quota."""

    def __init__(self, room: Room | None, session: Session) -> None:
        self._room = room
        self._id = session.id

    def take(self, size: int) -> None:
        """Raises StorageFull."""
        if self._room is not None:
            self._room.take(self._id, size)

    def end(self, *, is_kept: bool) -> None:
        if self._room is not None:
            self._room.end(self._id, is_kept=is_kept)


@asynccontextmanager
async def _room(call: Call, session: Session) -> AsyncIterator[_Taking]:
    """Raises StorageFull before anything is read, where the length says enough."""
    room = await call.parts.quotas.open(call.target.repository)
    taking = _Taking(room, session)
    if room is None:
        yield taking
        return
    room.active.add(session.id)
    try:
        room.check(call.request.content_length or 0)
        yield taking
    except _FATAL:
        taking.end(is_kept=False)
        raise
    finally:
        room.active.discard(session.id)


async def _finish(call: Call, session: Session, digest: str, *, listed: bool = False) -> None:
    uploads = call.parts.uploads
    async with _room(call, session) as room:
        owner = session.take()
        try:
            _check_order(call, session)
            await uploads.receive(session, owner, call.request.content, room.take)
            await uploads.check(session, owner, digest)
        finally:
            await uploads.release(session, owner)
        try:
            await call.parts.blobs.commit(
                Commit(
                    repository=call.target.repository,
                    repository_id=session.repository_id,
                    digest=digest,
                    size=session.size,
                    upload=session.id if listed else "",
                ),
                session.path,
                call.parts.quotas.checked(call.target.repository),
            )
        except BaseException:
            session.reopen()
            raise
        room.end(is_kept=True)


async def _session(call: Call) -> Session:
    return await call.parts.uploads.get(call.target.repository, call.target.item)


def _check_order(call: Call, session: Session) -> None:
    """A chunk says where it belongs; one without Content-Range belongs at the end."""
    header = call.request.headers.get("Content-Range")
    if header is None:
        return
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None:
        raise UploadInvalid("invalid Content-Range", range=header)
    start, end = int(match[1]), int(match[2])
    if start != session.size:
        raise RangeInvalid("chunk is out of order", _standing(call, session))
    length = call.request.content_length
    if length is not None and end - start + 1 != length:
        raise SizeInvalid("Content-Range and Content-Length differ", range=header)


def _standing(call: Call, session: Session) -> dict[str, str]:
    return {
        **API_VERSION,
        "Location": call.path("blobs", "uploads", session.id),
        "Docker-Upload-UUID": session.id,
        "Range": f"0-{max(session.size - 1, 0)}",
    }


def _created(call: Call, digest: str) -> web.Response:
    headers = {
        **API_VERSION,
        "Location": call.path("blobs", digest),
        "Docker-Content-Digest": digest,
    }
    return web.Response(status=201, headers=headers)
