"""Exec start: detached, hijacked, and failing after the upgrade."""

import asyncio

from sampan.errors import InvalidArgument, NotFound
from sampan.server.routers.exec import ExecRouter


class Session:
    def __init__(self, *output):
        self.output = [*output, b""]
        self.closed = False
        self.stdin = bytearray()

    async def read(self):
        await asyncio.sleep(0)
        return self.output.pop(0)

    async def write(self, data):
        self.stdin += data

    async def close_stdin(self):
        pass

    async def aclose(self):
        self.closed = True


class Execs:
    def __init__(self, started):
        self.started = started

    async def inspect(self, exec_id):
        if exec_id == "nosuch":
            raise NotFound("No such exec instance: nosuch")

    async def start(self, exec_id, request):
        if isinstance(self.started, Exception):
            raise self.started
        return None if request.Detach else self.started


async def start(client, body, exec_id="e"):
    reader, writer = await client.connect()
    writer.write(
        f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, rest = raw.partition(b"\r\n\r\n")
    return head, rest


def test_output_follows_the_upgrade(served):
    session = Session(b"one", b"two")

    async def scenario(client):
        head, rest = await start(client, b'{"Detach":false,"Tty":true}')
        assert head.startswith(b"HTTP/1.1 101 UPGRADED")
        assert rest == b"onetwo"

    served(ExecRouter(execs=Execs(session)).routes(), scenario)
    assert session.closed


def test_detached_start_is_a_plain_200(served):
    async def scenario(client):
        head, rest = await start(client, b'{"Detach":true}')
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert rest == b""

    served(ExecRouter(execs=Execs(Session())).routes(), scenario)


def test_failure_to_start_arrives_in_the_stream(served):
    async def scenario(client):
        head, rest = await start(client, b"{}")
        assert head.startswith(b"HTTP/1.1 101")
        assert rest == b"\x01\0\0\0\0\0\0\x0cno such x\r\n"[:8] + b"no such x!\r\n"
        _, raw = await start(client, b'{"Tty":true}')
        assert raw == b"no such x!\r\n"

    served(ExecRouter(execs=Execs(InvalidArgument("no such x!"))).routes(), scenario)


def test_unknown_exec_is_a_404_without_upgrade(served):
    async def scenario(client):
        head, rest = await start(client, b"{}", exec_id="nosuch")
        assert head.startswith(b"HTTP/1.1 404")
        assert b"No such exec instance: nosuch" in rest

    served(ExecRouter(execs=Execs(Session())).routes(), scenario)
