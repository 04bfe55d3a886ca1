"""Sending a blob: from thread to socket where it is a file (sending.py), by pieces through the
event loop where it isn't or TLS is between.

A blob never changes, so its digest is its entity tag and clients may keep it for ever. One range
is served as such (206, 416); several at once get the whole blob, as the standard allows.
"""

import re
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from sampan.hub.storage.driver import BlobMissing, StorageDriver
from sampan.hub.v2.errors import API_VERSION, RangeInvalid
from sampan.hub.v2.sending import SENDERS, send_file
from sampan.lib.workers import Workers

PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_LONGEST_NUMBER = 19


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of the bytes asked for; None for all. Raises RangeInvalid."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if max(len(first), len(last)) > _LONGEST_NUMBER:
        return None
    if not first:  # the last so many bytes
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise RangeInvalid("requested range not satisfiable", {"Content-Range": f"bytes */{size}"})
    return start, end


def is_known(request: web.Request, digest: str) -> bool:
    """Whether the client has what it asks for already (If-None-Match)."""
    given = request.headers.get("If-None-Match", "")
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return bool(tags & {"*", f'"{digest}"'})


def not_modified(digest: str) -> web.Response:
    return web.Response(
        status=304, headers={**API_VERSION, "ETag": f'"{digest}"', "Docker-Content-Digest": digest}
    )


class BlobSender:
    """Answers GET and HEAD for blobs that the caller may read."""

    def __init__(self, storage: StorageDriver, workers: Workers) -> None:
        self._storage = storage
        self._workers = workers
        self._senders = Workers(SENDERS)

    async def send(self, request: web.Request, digest: str, size: int) -> web.StreamResponse:
        if is_known(request, digest):
            return not_modified(digest)
        wanted = self._range(request, digest, size)
        start, end = wanted or (0, size)
        response = web.StreamResponse(status=206 if wanted else 200, headers=API_VERSION)
        response.headers.update(
            {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(end - start),
                "Docker-Content-Digest": digest,
                "ETag": f'"{digest}"',
                "Accept-Ranges": "bytes",
                "X-Content-Type-Options": "nosniff",  # the web pages have the same origin
                "Cache-Control": "private, max-age=31536000",
            }
        )
        if wanted:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if request.method == "HEAD" or start == end:
            await response.prepare(request)
            await response.write_eof()
            return response
        path = self._storage.local_path(digest)
        if path is not None and not _is_encrypted(request):
            await self._send_file(request, response, path, digest, (start, end))
        else:
            await self._send_pieces(request, response, digest, (start, end))
        return response

    def _range(self, request: web.Request, digest: str, size: int) -> tuple[int, int] | None:
        header = request.headers.get("Range")
        condition = request.headers.get("If-Range", f'"{digest}"')
        if header is None or request.method == "HEAD" or condition != f'"{digest}"':
            return None
        return parse_range(header, size)

    async def _send_file(
        self,
        request: web.Request,
        response: web.StreamResponse,
        path: Path,
        digest: str,
        part: tuple[int, int],
    ) -> None:
        file = await self._workers.run(_open, path, digest)
        try:
            await response.prepare(request)
            transport = request.transport
            if transport is None:
                raise ConnectionResetError
            await send_file(transport, file, *part, self._senders)
            await response.write_eof()
        except EOFError:
            raise _cut_off(request, digest) from None
        finally:
            file.close()

    async def _send_pieces(
        self,
        request: web.Request,
        response: web.StreamResponse,
        digest: str,
        part: tuple[int, int],
    ) -> None:
        start, end = part
        opened = self._storage.open(digest, start, end)
        stream = await self._workers.run(opened.__enter__)
        try:
            await response.prepare(request)
            left = end - start
            while left:
                piece = await self._workers.run(stream.read, min(PIECE_BYTES, left))
                if not piece:
                    raise _cut_off(request, digest)
                await response.write(piece)
                left -= len(piece)
            await response.write_eof()
        finally:
            await self._workers.run(opened.__exit__, None, None, None)


def _is_encrypted(request: web.Request) -> bool:
    """This connection itself: a proxy before the hub may speak TLS to the client (proxies.py)."""
    transport = request.transport
    return transport is not None and transport.get_extra_info("sslcontext") is not None


def _cut_off(request: web.Request, digest: str) -> BlobMissing:
    """The stored bytes end too early: an error's text mustn't follow them as if it were more."""
    if request.transport is not None:
        request.transport.abort()
    return BlobMissing(digest)


def _open(path: Path, digest: str) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise BlobMissing(digest) from None
