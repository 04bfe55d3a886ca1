"""Secrets and ssh agents that a build's client lends, over its session.

A secret is asked for when a step mounts it. For an agent there is a socket in a directory of the
build's own; each connection to it becomes one ForwardAgent call, whose two streams of bytes are
those of the connection:

    step -- connect --> <directory>/agent.sock -- ForwardAgent --> client --> its agent

Sockets and calls end with `aclose`, which the build's owner calls.
"""

import asyncio
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from sampan.errors import SampanError
from sampan.rpc.calls import Caller, CallFailed, Exchange, ask
from sampan.wire.buildkit.common import BytesMessage, Code
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import (
    CHECK_AGENT,
    FORWARD_AGENT,
    SECRET,
    SSH_ID_HEADER,
    CheckAgentRequest,
    SecretReply,
    SecretRequest,
)

CallerOfBuild = Callable[[], Awaitable[Caller]]

_ABSENT = frozenset({Code.NOT_FOUND, Code.UNIMPLEMENTED})
_READ_BYTES = 32 << 10


class SessionSecrets:
    """See builder.given_secrets.Secrets."""

    def __init__(self, caller: CallerOfBuild) -> None:
        self._caller = caller

    async def get(self, id: str) -> bytes | None:  # noqa: A002 - the word of the Dockerfile
        caller = await self._caller()
        if not caller.supports(SECRET):
            return None
        try:
            reply = await ask(caller, SECRET, encode(SecretRequest(id)))
        except CallFailed as error:
            if error.status.code in _ABSENT:
                return None
            raise
        return decode(SecretReply, reply).data


class SessionAgents:
    """See builder.given_secrets.SshAgents. Each `open` gives a socket of its own, so that steps
    side by side may want different owners of theirs."""

    def __init__(self, caller: CallerOfBuild, scratch: Path) -> None:
        self._caller = caller
        self._scratch = scratch
        self._servers: list[asyncio.Server] = []
        self._forwarding: set[asyncio.Task[None]] = set()

    async def open(self, id: str) -> Path | None:  # noqa: A002
        caller = await self._caller()
        if not (caller.supports(CHECK_AGENT) and caller.supports(FORWARD_AGENT)):
            return None
        try:
            await ask(caller, CHECK_AGENT, encode(CheckAgentRequest(id)))
        except CallFailed:  # clients answer UNKNOWN: "unset ssh forward key"
            return None
        folder = Path(tempfile.mkdtemp(prefix="ssh-", dir=self._scratch))
        path = folder / "agent.sock"

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(_forward(caller, id, reader, writer))
            self._forwarding.add(task)
            task.add_done_callback(self._forwarding.discard)

        self._servers.append(await asyncio.start_unix_server(accepted, sock=_bound(path)))
        return path

    async def aclose(self) -> None:
        for server in self._servers:
            server.close()
        tasks = list(self._forwarding)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _bound(path: Path) -> socket.socket:
    """Bound through a descriptor: the name of a socket has 107 bytes at most."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o600)
    except BaseException:
        bound.close()
        raise
    finally:
        os.close(folder)
    return bound


async def _forward(
    caller: Caller, identifier: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Until one side has ended; failures end the step's connection, which is all it can see."""
    try:
        with suppress(SampanError, OSError):
            async with caller.call(FORWARD_AGENT, [(SSH_ID_HEADER, identifier)]) as exchange:
                asking = asyncio.ensure_future(_upwards(reader, exchange))
                try:
                    while (message := await exchange.receive()) is not None:
                        writer.write(decode(BytesMessage, message).data)
                        await writer.drain()
                finally:
                    asking.cancel()
                    await asyncio.wait([asking])
    finally:
        writer.close()


async def _upwards(reader: asyncio.StreamReader, exchange: Exchange) -> None:
    with suppress(SampanError, OSError):
        while data := await reader.read(_READ_BYTES):
            await exchange.send(encode(BytesMessage(data)))
        await exchange.finish()
