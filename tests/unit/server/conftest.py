"""A real server on a unix socket, and a client that speaks raw bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sampan.daemon.listeners import open_listeners
from sampan.server.app import ApiServer
from sampan.server.routes import Route

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Client:
    connect: Connect
    server: ApiServer

    async def ask(self, head: str, body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own, e.g. `GET /_ping`."""
        method, _, path = head.partition(" ")
        lines = [f"{method} {path} HTTP/1.1", "Host: engine", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        reader, writer = await self.connect()
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        raw = await reader.read()
        writer.close()
        await writer.wait_closed()
        return parse(raw)


def parse(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name: value for name, _, value in (line.partition(": ") for line in rest)}
    return Answer(int(first.split()[1]), headers, body)


@pytest.fixture
def served(tmp_path: Path) -> Callable[..., Any]:
    """`served(routes, scenario)` runs `await scenario(client)` against a server of `routes`."""

    @asynccontextmanager
    async def running(routes: list[Route]) -> AsyncIterator[Client]:
        path = tmp_path / "api.sock"
        listeners = open_listeners((f"unix://{path}",), "")
        server = ApiServer(routes)
        try:
            await server.listen(listeners.sockets[0])

            async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                return await asyncio.open_unix_connection(path)

            yield Client(connect, server)
        finally:
            await server.close()
            listeners.close()

    def run(routes: list[Route], scenario: Callable[[Client], Awaitable[None]]) -> None:
        async def main() -> None:
            async with running(routes) as client:
                await scenario(client)

        asyncio.run(main())

    return run
