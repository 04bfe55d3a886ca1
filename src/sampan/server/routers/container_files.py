"""Files of containers: archive (`docker cp`), changes (`diff`), export, commit."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from aiohttp import web

from sampan.engine.containers.changes import CommitRequest
from sampan.errors import InvalidArgument
from sampan.server import streams
from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.wire.archive import FilesystemChange, PathStat
from sampan.wire.containers import ContainerConfig

TAR = "application/x-tar"
STAT_HEADER = "X-Docker-Container-Path-Stat"


class ArchiveBackend(Protocol):
    async def stat(self, text: str, path: str) -> PathStat: ...
    async def get(self, text: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]: ...
    async def put(
        self,
        text: str,
        path: str,
        stream: AsyncIterator[bytes],
        *,
        keep_directories: bool = False,
        as_user: bool = False,
    ) -> None: ...


class ChangesBackend(Protocol):
    async def list(self, text: str) -> Sequence[FilesystemChange]: ...
    def export(self, text: str) -> AsyncIterator[bytes]: ...
    async def commit(self, request: CommitRequest) -> str:
        """The id of the new image."""
        ...


class ContainerFilesRouter:
    def __init__(self, *, archives: ArchiveBackend, changes: ChangesBackend) -> None:
        self._archives = archives
        self._changes = changes

    def routes(self) -> list[Route]:
        return [
            Route("HEAD", "/containers/{id}/archive", self.stat),
            Route("GET", "/containers/{id}/archive", self.read),
            Route("PUT", "/containers/{id}/archive", self.write),
            Route("GET", "/containers/{id}/changes", self.changes),
            Route("GET", "/containers/{id}/export", self.export),
            Route("POST", "/commit", self.commit),
        ]

    async def stat(self, call: Call) -> web.Response:
        facts = await self._archives.stat(call.params["id"], _path(call))
        return web.Response(headers={STAT_HEADER: facts.header()})

    async def read(self, call: Call) -> web.StreamResponse:
        facts, chunks = await self._archives.get(call.params["id"], _path(call))
        return await streams.raw(call, chunks, TAR, headers={STAT_HEADER: facts.header()})

    async def write(self, call: Call) -> web.Response:
        await self._archives.put(
            call.params["id"],
            _path(call),
            call.chunks(),
            keep_directories=call.flag("noOverwriteDirNonDir"),
            as_user=call.flag("copyUIDGID"),
        )
        return call.empty(200)

    async def changes(self, call: Call) -> web.Response:
        found = list(await self._changes.list(call.params["id"]))
        return call.reply(found or None)

    async def export(self, call: Call) -> web.StreamResponse:
        return await streams.raw(
            call, self._changes.export(call.params["id"]), "application/octet-stream"
        )

    async def commit(self, call: Call) -> web.Response:
        request = CommitRequest(
            container=call.text("container"),
            repo=call.text("repo"),
            tag=call.text("tag"),
            comment=call.text("comment"),
            author=call.text("author"),
            pause=call.flag("pause", default=True),
            changes=[line for text in call.texts("changes") for line in text.split("\n")],
            config=await call.optional_body(ContainerConfig),
        )
        return call.reply({"Id": await self._changes.commit(request)}, status=201)


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidArgument("bad parameter: path cannot be empty")
    return path
