"""The raw two-way stream: upgrade, half-close, early bytes, back-pressure, clients that vanish."""

import asyncio
import socket

from sampan.server.connection import Handed
from sampan.server.hijack import BUFFER_BYTES, bridge, upgrade
from sampan.server.routes import Route

UPGRADE = b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


class Echo:
    """A process that prints what it reads, and `bye` once its stdin ended."""

    def __init__(self):
        self.output = asyncio.Queue()
        self.received = bytearray()
        self.cancelled = False

    async def read(self):
        try:
            return await self.output.get()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def write(self, data):
        self.received += data
        await self.output.put(bytes(data))

    async def close_stdin(self):
        await self.output.put(b"bye")
        await self.output.put(b"")


def attach_to(session, *, done=None, tty=False):
    async def attach(call):
        stream = await upgrade(call, tty=tty)
        await bridge(stream, session)
        if done is not None:
            done.set()
        return Handed()

    return [Route("POST", "/attach", attach)]


async def head_of(reader):
    return (await reader.readuntil(b"\r\n\r\n")).decode()


async def closing(writer):
    writer.close()
    await writer.wait_closed()


def test_upgrade_is_answered_with_101_and_bytes_flow_both_ways(served):
    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE)
        head = await head_of(reader)
        assert head.startswith("HTTP/1.1 101 UPGRADED\r\n")
        assert "Connection: Upgrade\r\nUpgrade: tcp\r\n" in head
        assert "Content-Type: application/vnd.docker.multiplexed-stream\r\n" in head
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert await reader.read() == b"bye"
        await closing(writer)

    served(attach_to(Echo()), scenario)


def test_content_type_is_raw_with_a_terminal_and_before_1_42(served):
    async def scenario(client):
        for path in (b"/v1.41/attach",):
            reader, writer = await client.connect()
            writer.write(UPGRADE.replace(b"/attach", path))
            assert "application/vnd.docker.raw-stream" in await head_of(reader)
            writer.write_eof()
            await reader.read()
            await closing(writer)

    served(attach_to(Echo()), scenario)


def test_client_without_upgrade_header_gets_200_and_the_stream(served):
    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(b"POST /attach HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await head_of(reader)
        assert head.startswith("HTTP/1.1 200 OK\r\n")
        assert "Upgrade" not in head
        writer.write_eof()
        assert await reader.read() == b"bye"
        await closing(writer)

    served(attach_to(Echo()), scenario)


def test_bytes_sent_before_the_answer_are_kept(served):
    session = Echo()

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE + b"early ")
        writer.write(b"bird")
        await head_of(reader)
        assert await reader.readexactly(10) == b"early bird"
        writer.write_eof()
        assert await reader.read() == b"bye"
        await closing(writer)

    served(attach_to(session), scenario)
    assert session.received == b"early bird"


def test_half_close_before_the_answer_still_gets_the_output(served):
    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE + b"all of it")
        writer.write_eof()
        head = await head_of(reader)
        assert head.startswith("HTTP/1.1 101")
        assert await reader.read() == b"all of itbye"
        await closing(writer)

    served(attach_to(Echo()), scenario)


def test_end_of_output_closes_the_connection_though_stdin_is_open(served):
    async def scenario(client):
        session.output.put_nowait(b"done")
        session.output.put_nowait(b"")
        reader, writer = await client.connect()
        writer.write(UPGRADE)
        await head_of(reader)
        assert await reader.read() == b"done"
        await closing(writer)

    session = Echo()
    served(attach_to(session), scenario)


def test_large_transfers_arrive_whole_in_both_directions(served):
    payload = bytes(range(256)) * 16384  # 4 MiB

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE)
        await head_of(reader)

        async def send():
            writer.write(payload)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read() == payload + b"bye"
        await sending
        await closing(writer)

    served(attach_to(Echo()), scenario)


class Deaf(Echo):
    """A process that doesn't read its stdin."""

    async def write(self, data):
        await asyncio.Event().wait()


def test_client_is_paused_while_the_process_does_not_read(served):
    session = Deaf()

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE)
        await head_of(reader)
        raw = writer.get_extra_info("socket")
        sent = await asyncio.to_thread(_fill, socket.fromfd(raw.fileno(), raw.family, raw.type))
        assert sent < 8 * BUFFER_BYTES
        session.output.put_nowait(b"")
        await reader.read()
        await closing(writer)

    served(attach_to(session), scenario)


def _fill(copy):
    """Bytes that fit into the socket before it blocks for half a second."""
    sent = 0
    with copy:
        copy.settimeout(0.5)
        try:
            while sent < 64 * BUFFER_BYTES:
                sent += copy.send(b"x" * 65536)
        except TimeoutError:
            pass
        finally:
            copy.setblocking(False)
    return sent


def test_client_that_vanishes_after_half_close_ends_the_session(served):
    class Quiet(Echo):
        async def close_stdin(self):
            pass

    session, ended = Quiet(), asyncio.Event()

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE)
        await head_of(reader)
        writer.write_eof()
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        writer.transport.abort()
        async with asyncio.timeout(3):
            await ended.wait()

    served(attach_to(session, done=ended), scenario)
    assert session.cancelled


def test_client_that_vanishes_while_output_is_written_ends_the_session(served):
    session, ended = Echo(), asyncio.Event()

    async def scenario(client):
        await _vanish_while_output_is_written(client, session, ended)

    session.close_stdin = _nothing
    served(attach_to(session, done=ended), scenario)


async def _nothing():
    return None


async def _vanish_while_output_is_written(client, session, ended):
    reader, writer = await client.connect()
    writer.write(UPGRADE)
    await head_of(reader)
    writer.transport.abort()
    for _ in range(50):
        session.output.put_nowait(b"x" * 1000)
        await asyncio.sleep(0.01)
        if ended.is_set():
            break
    assert ended.is_set()


def test_stdin_after_the_end_of_the_process_is_dropped_without_hanging(served):
    class Gone(Echo):
        async def write(self, data):
            raise BrokenPipeError

    session = Gone()

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(UPGRADE + b"x" * (4 * BUFFER_BYTES))
        await head_of(reader)
        await writer.drain()
        session.output.put_nowait(b"last words")
        session.output.put_nowait(b"")
        assert await reader.read() == b"last words"
        await closing(writer)

    served(attach_to(session), scenario)
