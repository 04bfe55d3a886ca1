"""Attach over a WebSocket, with a real client against a real server."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from sampan.errors import NotFound
from sampan.server.routers.container_io import ContainerIoRouter
from sampan.wire.stdcopy import Stream, frame


class Cat:
    """A process that prints its stdin, framed unless it has a terminal; both an attacher and its
    only session."""

    def __init__(self, *, tty=True):
        self.tty = tty
        self.options = None
        self.output = asyncio.Queue()
        self.stdin_ended = asyncio.Event()
        self.left = asyncio.Event()

    async def attach(self, text, options):
        if text != "one":
            raise NotFound(f"No such container: {text}")
        self.options = options
        return self

    async def read(self):
        return await self.output.get()

    async def write(self, data):
        await self.output.put(data if self.tty else frame(Stream.STDERR, data))

    async def close_stdin(self):
        self.stdin_ended.set()

    async def aclose(self):
        self.left.set()


@asynccontextmanager
async def websocket(tmp_path, url):
    connector = aiohttp.UnixConnector(str(tmp_path / "api.sock"))
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(f"http://engine{url}") as socket,
    ):
        yield socket


@pytest.fixture
def attached(served, tmp_path):
    """`attached(cat, url, scenario)` runs `await scenario(socket, cat)` on an open WebSocket."""

    def run(cat, url, scenario):
        async def body(_client):
            async with websocket(tmp_path, url) as socket:
                await scenario(socket, cat)

        served(ContainerIoRouter(attacher=cat, logs=None).routes(), body)

    return run


def test_messages_are_stdin_and_output_comes_back_in_binary_messages(attached):
    async def scenario(socket, _cat):
        await socket.send_str("text")
        assert await socket.receive_bytes() == b"text"
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes() == b"\x00\xff"

    attached(Cat(), "/containers/one/attach/ws?stdin=1&stdout=1&stream=1", scenario)


def test_output_is_never_framed(attached):
    async def scenario(socket, cat):
        whole = frame(Stream.STDOUT, b"out")
        await cat.output.put(whole[:5])
        await cat.output.put(whole[5:] + frame(Stream.STDERR, b"err"))
        assert await socket.receive_bytes() == b"outerr"

    attached(Cat(tty=False), "/containers/one/attach/ws?stdout=1&stream=1", scenario)


def test_before_1_28_messages_are_text_and_characters_stay_whole(attached):
    async def scenario(socket, cat):
        euro = "€".encode()
        await cat.output.put(b"a" + euro[:1])
        assert await socket.receive_str() == "a"
        await cat.output.put(euro[1:])
        assert await socket.receive_str() == "€"

    attached(Cat(), "/v1.27/containers/one/attach/ws?stdout=1&stream=1", scenario)


def test_the_end_of_output_closes_the_socket(attached):
    async def scenario(socket, cat):
        await cat.output.put(b"last")
        await cat.output.put(b"")
        assert await socket.receive_bytes() == b"last"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        await cat.left.wait()

    attached(Cat(), "/containers/one/attach/ws?stdout=1&stream=1", scenario)


def test_a_client_that_closes_ends_stdin_and_the_session(attached):
    async def scenario(socket, cat):
        await socket.close()
        await cat.stdin_ended.wait()
        await cat.left.wait()

    attached(Cat(), "/containers/one/attach/ws?stdin=1&stdout=1&stream=1", scenario)


@pytest.mark.parametrize(("version", "asked"), [("v1.41", True), ("v1.42", False)])
def test_from_1_42_on_only_the_streams_asked_for_are_attached(attached, version, asked):
    async def scenario(_socket, cat):
        assert cat.options.stdout
        assert cat.options.stdin is asked
        assert cat.options.stderr is asked

    attached(Cat(), f"/{version}/containers/one/attach/ws?stdout=1&stream=1", scenario)


def test_an_unknown_container_is_404_and_a_plain_request_400(served):
    async def scenario(client):
        assert (await client.ask("GET /containers/none/attach/ws")).status == 404
        answer = await client.ask("GET /containers/one/attach/ws")
        assert answer.status == 400
        assert b"not websocket protocol" in answer.body

    served(ContainerIoRouter(attacher=Cat(), logs=None).routes(), scenario)
