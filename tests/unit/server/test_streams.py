"""Long responses: when the status is decided, when headers go out, what ends them."""

import asyncio
import json

from sampan.errors import NotFound
from sampan.server import streams
from sampan.server.routes import Route


def dechunk(body):
    out = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        out, body = out + rest[:length], rest[length + 2 :]
    return out


def progress_of(*items, error=None):
    async def generate():
        for item in items:
            yield item
        if error is not None:
            raise error

    async def handler(call):
        return await streams.progress(call, generate())

    return [Route("POST", "/pull", handler)]


def test_progress_objects_are_json_lines(served):
    async def scenario(client):
        answer = await client.ask("POST /pull")
        assert answer.headers["Content-Type"] == "application/json"
        assert dechunk(answer.body) == b'{"status":"a"}\r\n{"status":"b"}\r\n'

    served(progress_of({"status": "a"}, {"status": "b"}), scenario)


def test_error_before_the_first_object_is_a_status(served):
    async def scenario(client):
        answer = await client.ask("POST /pull")
        assert answer.status == 404
        assert json.loads(answer.body) == {"message": "no such thing"}

    served(progress_of(error=NotFound("no such thing")), scenario)


def test_error_after_the_first_object_is_an_object(served):
    async def scenario(client):
        answer = await client.ask("POST /pull")
        assert answer.status == 200
        last = json.loads(dechunk(answer.body).split(b"\r\n")[1])
        assert last == {"errorDetail": {"message": "gone"}, "error": "gone"}

    served(progress_of({"status": "a"}, error=NotFound("gone")), scenario)


def test_work_is_cancelled_and_cleaned_up_when_the_client_leaves(served):
    cleaned = asyncio.Event()

    async def endless():
        try:
            yield {"status": "started"}
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def handler(call):
        return await streams.progress(call, endless())

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(b"POST /pull HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"started")
        writer.transport.abort()
        async with asyncio.timeout(3):
            await cleaned.wait()

    served([Route("POST", "/pull", handler)], scenario)


def test_headers_go_out_at_once_when_asked(served):
    release = asyncio.Event()

    async def later():
        await release.wait()
        yield b"event"

    async def handler(call):
        return await streams.raw(call, later(), "application/json", at_once=True)

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(3):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        release.set()
        assert dechunk(await reader.read()) == b"event"
        writer.close()
        await writer.wait_closed()

    served([Route("GET", "/events", handler)], scenario)


def test_raw_stream_that_breaks_is_cut_short(served):
    async def breaking():
        yield b"half"
        raise OSError("disk")

    async def handler(call):
        return await streams.raw(call, breaking(), "application/x-tar")

    async def scenario(client):
        answer = await client.ask("GET /tar")
        assert answer.status == 200
        assert not answer.body.endswith(b"0\r\n\r\n")

    served([Route("GET", "/tar", handler)], scenario)


def test_raw_stream_error_before_the_first_byte_is_a_status(served):
    async def failing():
        raise NotFound("nothing to save")
        yield b""

    async def handler(call):
        return await streams.raw(call, failing(), "application/x-tar")

    async def scenario(client):
        assert (await client.ask("GET /tar")).status == 404

    served([Route("GET", "/tar", handler)], scenario)


def test_stopping_the_server_ends_open_streams(served):
    async def endless():
        yield b"x"
        await asyncio.Event().wait()

    async def handler(call):
        return await streams.raw(call, endless(), "application/json")

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"x\r\n")
        async with asyncio.timeout(3):
            await client.server.close()
            await reader.read()
        writer.close()
        await writer.wait_closed()

    served([Route("GET", "/events", handler)], scenario)
