"""What a build may ask of its client, over POST /session: the engine calls, we answer.

    FileSync/DiffCopy   the directories of the build, by name
    FileSend/DiffCopy   results, by the number of their exporter
    Auth/Credentials    for registries
    Secrets/GetSecret   values that the user gave, by id
    SSH/CheckAgent, ForwardAgent    agents that the user lends, by id
    Upload/Pull         a context from standard input
    Health/Check

Nothing else of this machine can be reached through it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from sampan.client.buildkit.localtree import LocalTree
from sampan.client.buildkit.results import DirectorySink, FileSink
from sampan.errors import InvalidArgument, NotFound
from sampan.rpc.connection import Handler
from sampan.rpc.filesync import Receiver, Sender
from sampan.rpc.streams import Stream
from sampan.wire.buildkit import session as wire
from sampan.wire.buildkit.common import BytesMessage, HealthReply
from sampan.wire.buildkit.protobuf import Message, decode, encode

SERVING = 1
_CHUNK = 1 << 20
_AGENT_BYTES = 32 << 10


class NoSuchSecret(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"secret {name}: not found")


class NoSuchAgent(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"unset ssh forward key {name}")


@dataclass(frozen=True, slots=True)
class Output:
    """Where an exporter's result goes: into a directory, or (`is_file`) into one file."""

    path: str
    is_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """All that a build may ask for. `secrets` read their values when asked; `agents` are paths of
    sockets; `credentials` gives (user, secret) for a registry's host."""

    directories: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[int, Output] = field(default_factory=dict)
    secrets: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    agents: Mapping[str, str] = field(default_factory=dict)
    credentials: Callable[[str], tuple[str, str]] = lambda _: ("", "")
    uploads: Mapping[str, Callable[[], Iterable[bytes]]] = field(default_factory=dict)


class SessionServices:
    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def methods(self) -> dict[str, Handler]:
        found: dict[str, Handler] = {
            wire.HEALTH: self._health,
            wire.FILES_IN: self._send_directory,
            wire.CREDENTIALS: self._credentials,
        }
        if self._offer.outputs:
            found[wire.FILES_OUT] = self._take_result
        if self._offer.secrets:
            found[wire.SECRET] = self._secret
        if self._offer.agents:
            found[wire.CHECK_AGENT] = self._check_agent
            found[wire.FORWARD_AGENT] = self._forward_agent
        if self._offer.uploads:
            found[wire.UPLOAD] = self._upload
        return found

    async def _health(self, stream: Stream) -> None:
        await stream.receive()
        await _answer(stream, HealthReply(SERVING))

    async def _credentials(self, stream: Stream) -> None:
        request = decode(wire.CredentialsRequest, await stream.receive() or b"")
        user, secret = await asyncio.to_thread(self._offer.credentials, request.Host)
        await _answer(stream, wire.CredentialsReply(user, secret))

    async def _secret(self, stream: Stream) -> None:
        request = decode(wire.SecretRequest, await stream.receive() or b"")
        read = self._offer.secrets.get(request.ID)
        if read is None:
            raise NoSuchSecret(request.ID)
        await _answer(stream, wire.SecretReply(read()))

    async def _send_directory(self, stream: Stream) -> None:
        name = stream.headers.get(wire.DIRECTORY_HEADER, "")
        path = self._offer.directories.get(name)
        if path is None:
            raise NotFound(f"no access allowed to dir {name!r}")
        tree = LocalTree(
            path,
            without=_values(stream, wire.EXCLUDE_HEADER),
            only=_values(stream, wire.FOLLOW_HEADER),
        )
        await Sender(stream, tree.entries(), tree.content, _piece).run()

    async def _take_result(self, stream: Stream) -> None:
        output = self._offer.outputs.get(int(stream.headers.get(wire.EXPORTER_HEADER, "0")))
        if output is None:
            raise NotFound("no such exporter")
        if output.is_file:
            await _receive_file(stream, output.path)
            return
        sink = DirectorySink(output.path)
        try:
            await Receiver(stream, sink, lambda _: None).run()
        finally:
            sink.close()

    async def _upload(self, stream: Stream) -> None:
        name = stream.headers.get(wire.UPLOAD_PATH_HEADER, "").rpartition("/")[2]
        source = self._offer.uploads.get(name)
        if source is None:
            raise NotFound("no such upload")
        for piece in source():
            for start in range(0, len(piece), _CHUNK):
                await stream.send(encode(BytesMessage(piece[start : start + _CHUNK])))

    async def _check_agent(self, stream: Stream) -> None:
        request = decode(wire.CheckAgentRequest, await stream.receive() or b"")
        self._agent(request.ID)
        await stream.send(b"")

    async def _forward_agent(self, stream: Stream) -> None:
        path = self._agent(stream.headers.get(wire.SSH_ID_HEADER, ""))
        async with _connected(path) as (reader, writer):
            asking = asyncio.ensure_future(_downwards(stream, writer))
            try:
                while data := await reader.read(_AGENT_BYTES):
                    await stream.send(encode(BytesMessage(data)))
            finally:
                asking.cancel()
                await asyncio.wait([asking])

    def _agent(self, name: str) -> str:
        path = self._offer.agents.get(name or "default")
        if path is None:
            raise NoSuchAgent(name)
        return path


async def _answer(stream: Stream, message: Message) -> None:
    await stream.send(encode(message))


async def _piece(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")


async def _receive_file(stream: Stream, path: str) -> None:
    sink = FileSink(path)
    try:
        while (message := await stream.receive()) is not None:
            sink.write(decode(BytesMessage, message).data)
        sink.commit()
    finally:
        sink.close()


@asynccontextmanager
async def _connected(
    path: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _downwards(stream: Stream, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while (message := await stream.receive()) is not None:
            writer.write(decode(BytesMessage, message).data)
            await writer.drain()
        writer.write_eof()


def _values(stream: Stream, name: str) -> list[str]:
    values = stream.values(name)
    if stream.headers.get(f"{name}-encoded"):
        return [unquote_plus(value) for value in values]
    return values
