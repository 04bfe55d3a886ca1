"""The daemon's side of zygote and monitors.

`Zygote` keeps the small process that forks monitors and starts a new one when it has died.
`ControlConnection` is a request/answer/event conversation with one monitor (connections.py).
`connect` opens further connections whatever the length of the state folder's path.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.errors import Conflict, Unavailable
from sampan.lib.log import fields
from sampan.runtime.monitor import zygote
from sampan.runtime.monitor.connections import LINE_BYTES, SOCKET_NAME

ANSWER_S = 60.0  # a runtime call on a busy machine

log = logging.getLogger(__name__)


class MonitorRefused(Conflict):
    """The monitor answered a request with an error."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(str(answer["error"]))
        self.step = str(answer.get("step", ""))


class MonitorGone(Unavailable):
    """The connection to a monitor ended before the answer."""


class Zygote:
    """Owns the zygote process. `spawn` may be called at any time between start and close."""

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [self._python, "-I", "-S", zygote.__file__, str(theirs.fileno())],
                env={"PATH": os.defpath},
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._channel = ours
        log.info(fields("zygote started", pid=self._process.pid))

    def close(self) -> None:
        """End the zygote; monitors stay."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def spawn(self, state_dir: Path, program: int | None = None) -> socket.socket:
        """Ask for a monitor of `state_dir`; returns its first control connection.

        `program` is the OCI runtime, open, to be executed instead of the file at its path.
        Doesn't wait: whether the monitor came up shows by its first event.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                descriptors = [theirs.fileno(), *([] if program is None else [program])]
                try:
                    self._send(state_dir, descriptors)
                except OSError:
                    log.warning(fields("zygote gone, starting another", pid=self.pid))
                    self.close()
                    self.start()
                    self._send(state_dir, descriptors)
        except BaseException:
            ours.close()
            raise
        return ours

    def _send(self, state_dir: Path, descriptors: list[int]) -> None:
        if self._channel is None:
            self.start()
        assert self._channel is not None
        socket.send_fds(self._channel, [os.fsencode(state_dir)], descriptors)


async def connect(state_dir: Path) -> socket.socket:
    """A new connection to the monitor of `state_dir`. Raises MonitorGone when there is none."""
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    try:
        folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            await asyncio.get_running_loop().sock_connect(
                sock, f"/proc/self/fd/{folder}/{SOCKET_NAME}"
            )
        finally:
            os.close(folder)
    except OSError as error:
        sock.close()
        raise MonitorGone(f"no monitor at {state_dir}: {error.strerror}") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def request_line(sock: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    """Open a raw connection: send the first line, return the answer line.

    Reads byte by byte up to the newline, because raw output may follow it directly.
    """
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(sock, json.dumps(request).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            part = await _recv_line_part(loop, sock)
            if not part:
                raise MonitorGone("the monitor ended before it answered")
            line += part
    except OSError as error:
        raise MonitorGone(f"the monitor ended: {error.strerror}") from error
    answer: dict[str, Any] = json.loads(line)
    return answer


async def _recv_line_part(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    """Take what is there up to and including a newline, leaving the rest in the socket."""
    while True:
        try:
            seen = sock.recv(4096, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(loop, sock)
            continue
        return sock.recv(seen.find(b"\n") + 1 or len(seen)) if seen else b""


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


class ControlConnection(asyncio.Protocol):
    """Requests to one monitor and its events.

    `on_event` gets each event; `on_lost` is called once when the connection has ended.
    """

    def __init__(
        self, on_event: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]
    ) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._serial = 0
        self._lost = False
        self.closing = False

    async def open(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: self, sock)

    async def greet(self) -> dict[str, Any]:
        """Begin a control connection that `connect` opened; returns the monitor's state."""
        if self._transport is not None:
            self._transport.write(b'{"op":"control"}\n')
        return await self.call("state")

    async def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Raises MonitorRefused, or MonitorGone when the connection ends first."""
        if self._lost or self._transport is None:
            raise MonitorGone("the monitor is gone")
        self._serial += 1
        serial = self._serial
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[serial] = answer
        line = json.dumps({"n": serial, "op": op, **arguments})
        self._transport.write(line.encode() + b"\n")
        try:
            found = await asyncio.wait_for(answer, ANSWER_S)
        finally:
            self._waiting.pop(serial, None)
        if "error" in found:
            raise MonitorRefused(found)
        result: dict[str, Any] = found["ok"]
        return result

    def close(self) -> None:
        """Let go; `on_lost` follows."""
        self.closing = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > LINE_BYTES:
            self.close()
            return
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._dispatch(json.loads(line))

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(MonitorGone("the monitor ended before it answered"))
        self._on_lost()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message)
            return
        answer = self._waiting.get(message["n"])
        if answer is not None:
            with contextlib.suppress(asyncio.InvalidStateError):
                answer.set_result(message)
