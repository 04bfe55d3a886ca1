"""Exec instances: create in a container, start (detached or hijacked), resize, inspect."""

from typing import Protocol

from aiohttp import web

from sampan.errors import SampanError
from sampan.server.call import Call
from sampan.server.connection import Handed
from sampan.server.errors import text_of
from sampan.server.hijack import Session, bridge, upgrade
from sampan.server.routes import Route
from sampan.wire.execs import ExecCreate, ExecInspect, ExecStart
from sampan.wire.stdcopy import Stream, frame


class ExecSession(Session, Protocol):
    async def aclose(self) -> None: ...


class ExecsBackend(Protocol):
    async def create(self, container: str, request: ExecCreate) -> str:
        """The id of a new exec instance."""
        ...

    async def start(self, exec_id: str, request: ExecStart) -> ExecSession | None:
        """None when detached. Raises LaunchFailed when the process can't be started."""
        ...

    async def inspect(self, exec_id: str) -> ExecInspect: ...
    async def resize(self, exec_id: str, *, rows: int, columns: int) -> None: ...


class ExecRouter:
    def __init__(self, *, execs: ExecsBackend) -> None:
        self._execs = execs

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/containers/{id}/exec", self.create),
            Route("POST", "/exec/{id}/start", self.start),
            Route("POST", "/exec/{id}/resize", self.resize),
            Route("GET", "/exec/{id}/json", self.inspect),
        ]

    async def create(self, call: Call) -> web.Response:
        made = await self._execs.create(call.params["id"], await call.body(ExecCreate))
        return call.reply({"Id": made}, status=201)

    async def start(self, call: Call) -> web.StreamResponse:
        exec_id = call.params["id"]
        request = await call.body(ExecStart)
        await self._execs.inspect(exec_id)  # an unknown one is a 404, not a stream
        if request.Detach:
            await self._execs.start(exec_id, request)
            return call.empty(200)
        stream = await upgrade(call, tty=request.Tty)
        try:
            session = await self._execs.start(exec_id, request)
        except SampanError as error:
            # The client has its 101 already: what went wrong is the output; inspect has the code.
            line = f"{text_of(error)}\r\n".encode()
            await stream.write(line if request.Tty else frame(Stream.STDOUT, line))
            await stream.finish()
            return Handed()
        except BaseException:
            stream.close()
            raise
        assert session is not None
        try:
            await bridge(stream, session)
        finally:
            await session.aclose()
        return Handed()

    async def resize(self, call: Call) -> web.Response:
        rows, columns = size_of(call)
        await self._execs.resize(call.params["id"], rows=rows, columns=columns)
        return call.empty(200)

    async def inspect(self, call: Call) -> web.Response:
        return call.reply(await self._execs.inspect(call.params["id"]))


def size_of(call: Call) -> tuple[int, int]:
    """(rows, columns) of a resize. Raises InvalidArgument when one is missing or no number."""
    return call.required_integer("h"), call.required_integer("w")
