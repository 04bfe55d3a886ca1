"""gRPC on an upgraded connection: both roles, against each other over a socket pair."""

import asyncio
import socket

import pytest

from sampan.errors import InvalidArgument
from sampan.rpc.calls import CallFailed, SessionLost, ask
from sampan.rpc.connection import GrpcConnection
from sampan.wire.buildkit.common import Code


class Upgraded:
    """What is left of an HTTP connection: see server.connection.Connection."""

    def __init__(self, transport):
        self._transport = transport
        self.gone = asyncio.get_running_loop().create_future()

    def take_over(self, protocol):
        self._transport.set_protocol(protocol)
        return self._transport, b"", False

    def connection_lost(self, exc):
        if not self.gone.done():
            self.gone.set_result(None)


async def pair(methods):
    """(the end that calls, the end that serves `methods`)"""
    left, right = socket.socketpair()
    loop = asyncio.get_running_loop()
    ends = []
    for end in (left, right):
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=end)
        ends.append(Upgraded(transport))
    calling = GrpcConnection(ends[0], calls_out=True, methods={})
    serving = GrpcConnection(ends[1], calls_out=False, methods=methods)
    return calling, serving


class Caller:
    def __init__(self, connection):
        self.call = connection.call


def played(methods, scenario):
    async def run():
        calling, serving = await pair(methods)
        tasks = [asyncio.ensure_future(one.run()) for one in (calling, serving)]
        try:
            async with asyncio.timeout(10):
                return await scenario(calling, serving)
        finally:
            calling.close()
            serving.close()
            await asyncio.wait(tasks)

    return asyncio.run(run())


async def echo(stream):
    while (message := await stream.receive()) is not None:
        await stream.send(message)


async def refuse(stream):
    await stream.receive()
    raise InvalidArgument("100% wrong: ü")


async def sleep(stream):
    try:
        await asyncio.sleep(60)
    finally:
        slept.set()


slept = asyncio.Event()


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_messages_of_all_sizes(size):
    async def scenario(calling, _):
        return await ask(Caller(calling), "/s/echo", b"x" * size)

    assert played({"/s/echo": echo}, scenario) == b"x" * size


def test_many_calls_at_once_and_more_than_a_window():
    async def scenario(calling, _):
        body = b"y" * 1_000_000
        replies = await asyncio.gather(*(ask(Caller(calling), "/s/echo", body) for _ in range(20)))
        return {len(reply) for reply in replies}

    assert played({"/s/echo": echo}, scenario) == {1_000_000}


def test_failures_arrive_as_they_were():
    async def scenario(calling, _):
        with pytest.raises(CallFailed) as raised:
            await ask(Caller(calling), "/s/refuse", b"")
        return raised.value.status

    status = played({"/s/refuse": refuse}, scenario)
    assert (status.code, status.message) == (Code.INVALID_ARGUMENT, "100% wrong: ü")


def test_unknown_methods():
    async def scenario(calling, _):
        with pytest.raises(CallFailed) as raised:
            await ask(Caller(calling), "/s/what", b"")
        return raised.value.status

    status = played({}, scenario)
    assert status.code == Code.UNIMPLEMENTED
    assert status.message == "unknown method what for service s"


def test_leaving_a_call_cancels_it_at_the_other_end():
    async def scenario(calling, _):
        slept.clear()
        async with calling.call("/s/sleep") as call:
            await call.send(b"")
            await asyncio.sleep(0.05)
        await slept.wait()

    played({"/s/sleep": sleep}, scenario)


def test_a_lost_connection_ends_calls_on_both_sides():
    async def scenario(calling, serving):
        slept.clear()
        async with calling.call("/s/sleep") as call:
            await call.send(b"")
            await asyncio.sleep(0.05)
            serving.close()
            with pytest.raises(SessionLost):
                await call.receive()
        await slept.wait()
        with pytest.raises(SessionLost):
            async with calling.call("/s/echo"):
                pass

    played({"/s/sleep": sleep}, scenario)


def test_what_is_not_http2_ends_the_connection():
    async def scenario(_, serving):
        serving.data_received(b"GET / HTTP/1.1\r\n\r\n" + b"\0" * 50)
        for _ in range(100):
            if serving.lost:
                return True
            await asyncio.sleep(0.01)
        return False

    assert played({}, scenario)
