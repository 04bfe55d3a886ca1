"""Images in and out: pull and import, push, load, save."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol, TypedDict

from aiohttp import web

from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform
from sampan.registry.keychain import Credentials
from sampan.server import streams
from sampan.server.call import Call
from sampan.server.routes import Route

TAR = "application/x-tar"

Progress = AsyncIterator[dict[str, Any]]


class PullBackend(Protocol):
    def pull(
        self,
        name: str,
        *,
        tag: str = "",
        platform: Platform | None = None,
        credentials: Credentials,
    ) -> Progress:
        """Without tag and digest: all tags."""
        ...


class ImportBackend(Protocol):
    def import_(
        self,
        chunks: AsyncIterator[bytes],
        *,
        repo: str = "",
        tag: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> Progress: ...

    def import_url(
        self,
        source: str,
        *,
        repo: str = "",
        tag: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> Progress: ...


class PushBackend(Protocol):
    def push(
        self,
        name: str,
        *,
        tag: str = "",
        credentials: Credentials,
    ) -> Progress: ...


class LoadBackend(Protocol):
    def load(
        self,
        chunks: AsyncIterator[bytes],
        *,
        quiet: bool = False,
        platform: Platform | None = None,
    ) -> Progress: ...


class SaveBackend(Protocol):
    def save(self, names: Sequence[str]) -> AsyncIterator[bytes]:
        """Raises NoSuchImage before the first byte."""
        ...


class PlatformBackend(Protocol):
    async def require(self, name: str, platform: Platform) -> None:
        """Raises unless the image is for this platform."""
        ...


class _ImportChoices(TypedDict):
    repo: str
    tag: str
    changes: Sequence[str]
    message: str
    platform: Platform | None


class TransfersRouter:
    def __init__(
        self,
        *,
        puller: PullBackend,
        importer: ImportBackend,
        pusher: PushBackend,
        loader: LoadBackend,
        saver: SaveBackend,
        inspector: PlatformBackend,
    ) -> None:
        self._puller = puller
        self._importer = importer
        self._pusher = pusher
        self._loader = loader
        self._saver = saver
        self._inspector = inspector

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/images/create", self.create),
            Route("POST", "/images/load", self.load),
            Route("GET", "/images/get", self.save),
            Route("GET", "/images/{name:.*}/get", self.save_one),
            Route("POST", "/images/{name:.*}/push", self.push),
        ]

    async def create(self, call: Call) -> web.StreamResponse:
        name, source = call.text("fromImage"), call.text("fromSrc")
        if name:
            items = self._puller.pull(
                name,
                tag=call.text("tag"),
                platform=call.platform(),
                credentials=call.credentials(),
            )
            return await streams.progress(call, items)
        if not source:
            raise InvalidArgument("fromImage or fromSrc is needed")
        choices: _ImportChoices = {
            "repo": call.text("repo"),
            "tag": call.text("tag"),
            "changes": call.texts("changes"),
            "message": call.text("message"),
            "platform": call.platform(),
        }
        if source == "-":
            items = self._importer.import_(call.chunks(), **choices)
        else:
            items = self._importer.import_url(source, **choices)
        return await streams.progress(call, items)

    async def push(self, call: Call) -> web.StreamResponse:
        name, tag = call.params["name"], call.text("tag")
        platform = call.platform()
        if platform is not None:
            await self._inspector.require(f"{name}:{tag}" if tag else name, platform)
        items = self._pusher.push(name, tag=tag, credentials=call.credentials())
        return await streams.progress(call, items)

    async def load(self, call: Call) -> web.StreamResponse:
        # Quiet unless told otherwise, whatever the API's documents say: docker-py counts on an
        # answer that begins when the images are there.
        items = self._loader.load(
            call.chunks(), quiet=call.flag("quiet", default=True), platform=call.platform()
        )
        return await streams.progress(call, items)

    async def save(self, call: Call) -> web.StreamResponse:
        names = [name for text in call.texts("names") for name in text.split(",")]
        return await self._saved(call, names)

    async def save_one(self, call: Call) -> web.StreamResponse:
        return await self._saved(call, [call.params["name"]])

    async def _saved(self, call: Call, names: Sequence[str]) -> web.StreamResponse:
        platform = call.platform()
        if platform is not None:
            for name in names:
                await self._inspector.require(name, platform)
        return await streams.raw(call, self._saver.save(names), TAR)
