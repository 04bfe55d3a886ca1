"""Talking to a container: attach, resize, logs."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from aiohttp import web

from sampan.engine.containers.attach import AttachOptions
from sampan.engine.containers.logs import LogOptions
from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.server import streams
from sampan.server.call import Call
from sampan.server.connection import Handed
from sampan.server.hijack import Session, bridge, content_type, upgrade
from sampan.server.routers.exec import size_of
from sampan.server.routes import Route
from sampan.server.websocket import accept
from sampan.wire.versions import ApiVersion

# Before, an attach over WebSocket had all three streams whatever the query said.
WEBSOCKET_STREAMS_SINCE = ApiVersion(1, 42)


class AttachSession(Session, Protocol):
    tty: bool

    async def aclose(self) -> None: ...


class AttachBackend(Protocol):
    async def attach(self, text: str, options: AttachOptions) -> AttachSession:
        """From the return on, no output is missed. The caller closes the session."""
        ...

    async def resize(self, text: str, *, rows: int, columns: int) -> None: ...


class LogsBackend(Protocol):
    def open(self, text: str, options: LogOptions) -> tuple[bool, AsyncIterator[bytes]]:
        """Whether the output is raw, and its chunks. Raises at once what can be wrong."""
        ...


class ContainerIoRouter:
    def __init__(self, *, attacher: AttachBackend, logs: LogsBackend) -> None:
        self._attacher = attacher
        self._logs = logs

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/containers/{id}/attach", self.attach),
            Route("GET", "/containers/{id}/attach/ws", self.attach_websocket),
            Route("POST", "/containers/{id}/resize", self.resize),
            Route("GET", "/containers/{id}/logs", self.logs),
        ]

    async def attach(self, call: Call) -> web.StreamResponse:
        session = await self._attacher.attach(call.params["id"], _attach_options(call))
        try:
            await bridge(await upgrade(call, tty=session.tty), session)
        finally:
            await session.aclose()
        return Handed()

    async def attach_websocket(self, call: Call) -> web.StreamResponse:
        options = _attach_options(call)
        if call.version < WEBSOCKET_STREAMS_SINCE:
            options = replace(options, stdin=True, stdout=True, stderr=True)
        session = await self._attacher.attach(call.params["id"], options)
        try:
            socket, stream = await accept(call, tty=session.tty)
            await bridge(stream, session)
        finally:
            await session.aclose()
        return socket

    async def resize(self, call: Call) -> web.Response:
        rows, columns = size_of(call)
        await self._attacher.resize(call.params["id"], rows=rows, columns=columns)
        return call.empty(200)

    async def logs(self, call: Call) -> web.StreamResponse:
        options = LogOptions(
            stdout=call.flag("stdout"),
            stderr=call.flag("stderr"),
            follow=call.flag("follow"),
            timestamps=call.flag("timestamps"),
            details=call.flag("details"),
            tail=tail(call.text("tail")),
            since_ns=moment_ns(call, "since"),
            until_ns=moment_ns(call, "until") if call.version >= ApiVersion(1, 35) else 0,
        )
        tty, chunks = self._logs.open(call.params["id"], options)
        return await streams.raw(call, chunks, content_type(call, tty=tty), at_once=True)


def _attach_options(call: Call) -> AttachOptions:
    return AttachOptions(
        stdin=call.flag("stdin"),
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        stream=call.flag("stream"),
        logs=call.flag("logs"),
        detach_keys=call.text("detachKeys"),
    )


def tail(text: str) -> int | None:
    """Lines from the end; `all` and what is no number mean all, as in dockerd."""
    return int(text) if text.isdecimal() else None


def moment_ns(call: Call, name: str) -> int:
    text = call.text(name)
    if not text or text == "0":
        return 0
    try:
        return gotime.parse_moment_ns(text)
    except ValueError:
        raise InvalidArgument(f'invalid value for "{name}": {text}') from None
