"""A gRPC connection on a socket that an HTTP/1.1 request has upgraded (h2c, no TLS of its own).

The same protocol runs both ways: on /grpc the client calls the engine's methods, on /session the
engine calls the client's. One object does either, at either end; HTTP/2 itself is the `h2`
library's business.

    accepted stream -> a task that runs the method -> trailers with its status
    reset or lost   -> that task is cancelled, and awaited before `run` returns
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from sampan.errors import Cancelled, Internal, SampanError
from sampan.rpc.calls import Metadata, SessionLost, status_of
from sampan.rpc.framing import Headers, trailers
from sampan.rpc.streams import Stream
from sampan.wire.buildkit.common import Code, Status

log = logging.getLogger(__name__)

Handler = Callable[[Stream], Awaitable[None]]

Unexpected = Callable[[Exception, str], SampanError]  # with the path of the method

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
CONTENT_TYPE = "application/grpc"
STREAM_WINDOW_BYTES = 4 << 20
CONNECTION_WINDOW_BYTES = 16 << 20
FRAME_BYTES = 256 << 10  # what the client may send in one piece
HEADER_LIST_BYTES = 1 << 20

# It would write every header of every call, credentials among them, to a debug log.
logging.getLogger("hpack").setLevel(logging.WARNING)

_START_WINDOW_BYTES = 65_535  # HTTP/2's own


class Upgraded(Protocol):
    """A socket whose HTTP/1.1 request has asked for the switch."""

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the other side has left, or when everything stops."""
        ...

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes, bool]:
        """(transport, bytes that came early, whether the other side has shut its end)."""
        ...

    def connection_lost(self, exc: Exception | None, /) -> None: ...


def _unexpected(error: Exception, path: str) -> SampanError:
    log.error("call failed path=%s", path, exc_info=error)
    return Internal(f"{type(error).__name__}: {error}")


class GrpcConnection(asyncio.Protocol):
    """Takes the socket over at construction. `methods` are those that the other side may call;
    `greeting` goes out before HTTP/2 begins."""

    def __init__(
        self,
        connection: Upgraded,
        *,
        calls_out: bool,
        methods: Mapping[str, Handler],
        greeting: bytes = b"",
        unexpected: Unexpected = _unexpected,
    ) -> None:
        self._connection = connection
        self._methods = methods
        self._unexpected = unexpected
        self._streams: dict[int, Stream] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._windows = asyncio.Event()
        self._closed = asyncio.Event()
        self._h2 = _start(calls_out)
        self._transport, early, ended = connection.take_over(self)
        if greeting:
            self._transport.write(greeting)
        self._flush()
        if early:
            self.data_received(early)
        if ended:
            self._transport.close()

    async def run(self) -> None:
        """Until the other side has gone or we stop; nothing of it runs any more then."""
        closed = asyncio.ensure_future(self._closed.wait())
        waited: set[asyncio.Future[object]] = {closed, self._connection.gone}  # type: ignore[arg-type]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
            self._transport.close()
            self._lose()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    @property
    def lost(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        self._transport.close()

    # --- calls to the other side ------------------------------------------------------------

    @asynccontextmanager
    async def call(self, method: str, metadata: Metadata = ()) -> AsyncIterator[Stream]:
        """A call; leaving early resets it."""
        if self.lost:
            raise SessionLost
        stream_id = self._h2.get_next_available_stream_id()
        stream = self._streams[stream_id] = Stream(self, stream_id)
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", CONTENT_TYPE),
            ("te", "trailers"),
            *metadata,
        ]
        self.write_headers(stream_id, headers, end=False)
        try:
            yield stream
        finally:
            del self._streams[stream_id]
            self._reset(stream_id)

    # --- what streams need ------------------------------------------------------------------

    async def room(self, stream_id: int) -> int:
        while True:
            await self._writable.wait()
            if self.lost:
                raise SessionLost
            try:
                size = self._h2.local_flow_control_window(stream_id)
            except (ProtocolError, KeyError):
                raise Cancelled("the call was cancelled") from None
            if size > 0:
                return min(size, self._h2.max_outbound_frame_size)
            self._windows.clear()
            await self._windows.wait()

    def write_data(self, stream_id: int, data: bytes, *, end: bool) -> None:
        try:
            self._h2.send_data(stream_id, data, end_stream=end)
        except ProtocolError:
            raise Cancelled("the call was cancelled") from None
        self._flush()

    def write_headers(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        try:
            self._h2.send_headers(stream_id, headers, end_stream=end)
        except ProtocolError:
            raise Cancelled("the call was cancelled") from None
        self._flush()

    def acknowledge(self, stream_id: int, size_bytes: int) -> None:
        with suppress(ProtocolError, KeyError):
            self._h2.acknowledge_received_data(size_bytes, stream_id)
            self._flush()

    # --- called by the transport ------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            log.debug("not HTTP/2: %s", error)
            self._flush()
            self._transport.close()
            return
        for event in events:
            self._on_event(event)
        self._flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- inside -----------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._accept(event.stream_id, _texts(event.headers))
            case WindowUpdated() | RemoteSettingsChanged():
                self._windows.set()
            case ConnectionTerminated():
                self._transport.close()
            case ResponseReceived() | TrailersReceived():
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    stream.on_headers(_texts(event.headers))
            case DataReceived():
                self._on_data(event)
            case StreamEnded():
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    stream.on_end()
            case StreamReset():
                self._on_reset(event.stream_id)
            case _:
                pass  # pings and acknowledgements: h2 has answered them

    def _on_data(self, event: DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            self.acknowledge(event.stream_id, event.flow_controlled_length)
        else:
            stream.on_data(event.data, event.flow_controlled_length)

    def _on_reset(self, stream_id: int) -> None:
        self._windows.set()
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.on_failure(Cancelled("the call was cancelled"))
        task = self._tasks.get(stream_id)
        if task is not None:
            task.cancel()

    def _accept(self, stream_id: int, headers: Headers) -> None:
        stream = self._streams[stream_id] = Stream(self, stream_id)
        stream.on_headers(headers)
        task = asyncio.ensure_future(self._serve(stream))
        self._tasks[stream_id] = task
        task.add_done_callback(lambda _: self._forget(stream_id))

    def _forget(self, stream_id: int) -> None:
        del self._tasks[stream_id]
        del self._streams[stream_id]

    async def _serve(self, stream: Stream) -> None:
        path = stream.headers.get(":path", "")
        method = self._methods.get(path)
        try:
            if method is None:
                service, _, name = path.removeprefix("/").partition("/")
                status = Status(Code.UNIMPLEMENTED, f"unknown method {name} for service {service}")
                self._answer(stream, status)
                return
            self.write_headers(
                stream.id, [(":status", "200"), ("content-type", CONTENT_TYPE)], end=False
            )
            status = await self._outcome(path, method(stream))
            self.write_headers(stream.id, trailers(status), end=True)
            if not stream.over:
                self._reset(stream.id)
        except (Cancelled, SessionLost) as error:
            log.debug("nobody waits for the answer of %s: %s", path, error)

    async def _outcome(self, path: str, work: Awaitable[None]) -> Status:
        try:
            await work
        except SampanError as error:
            return status_of(error)
        except Exception as error:  # noqa: BLE001 - the boundary of a call: `unexpected` logs it
            return status_of(self._unexpected(error, path))
        return Status(Code.OK)

    def _answer(self, stream: Stream, status: Status) -> None:
        head = [(":status", "200"), ("content-type", CONTENT_TYPE), *trailers(status)]
        self.write_headers(stream.id, head, end=True)

    def _reset(self, stream_id: int) -> None:
        """What isn't over yet is over now."""
        if self.lost:
            return
        with suppress(ProtocolError, KeyError, StreamClosedError):
            if not self._h2.streams[stream_id].closed:
                self._h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        self._flush()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _lose(self) -> None:
        self._closed.set()
        self._windows.set()
        self._writable.set()
        for stream in self._streams.values():
            stream.on_failure(SessionLost())
        for task in self._tasks.values():
            task.cancel()


def _start(calls_out: bool) -> H2Connection:
    engine = H2Connection(
        H2Configuration(client_side=calls_out, header_encoding="utf-8", logger=None)
    )
    engine.initiate_connection()
    engine.update_settings(
        {
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            SettingCodes.MAX_FRAME_SIZE: FRAME_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES,
        }
    )
    engine.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _START_WINDOW_BYTES)
    return engine


def _texts(headers: object) -> Headers:
    """Names and values as text; h2 leaves some of them as bytes."""
    found: Headers = []
    for name, value in headers:  # type: ignore[attr-defined] # h2's own list of pairs
        key = name.decode() if isinstance(name, bytes) else str(name)
        found.append((key, value.decode() if isinstance(value, bytes) else str(value)))
    return found
