import asyncio

import pytest

from sampan.engine.images.feed import LIMIT_BYTES, consume
from sampan.errors import Cancelled
from sampan.lib.workers import Workers


def read_all(feed):
    found = bytearray()
    while chunk := feed.read(70_000):
        found += chunk
    return bytes(found)


async def chunks(*parts, then=None):
    for part in parts:
        yield part
        await asyncio.sleep(0)
    if then is not None:
        raise then


def test_every_byte_arrives_in_order_past_the_buffer_limit():
    data = [bytes([n]) * (1 << 20) for n in range(12)]
    assert sum(map(len, data)) > LIMIT_BYTES

    async def main():
        return await consume(chunks(*data), read_all, Workers())

    assert asyncio.run(main()) == b"".join(data)


def test_the_streams_failure_wins_over_what_the_reader_makes_of_it():
    def parse(feed):
        try:
            return read_all(feed)
        except OSError as error:
            raise ValueError("truncated archive") from error

    async def main():
        await consume(chunks(b"a", then=OSError("connection lost")), parse, Workers())

    with pytest.raises(OSError, match="connection lost"):
        asyncio.run(main())


def test_a_reader_that_gives_up_stops_the_stream():
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield b"x" * (1 << 20)

    def refuse(feed):
        feed.read(1)
        raise ValueError("not a tar")

    with pytest.raises(ValueError, match="not a tar"):
        asyncio.run(consume(endless(), refuse, Workers()))
    assert len(sent) < 100


def test_cancelling_ends_the_reading_thread():
    ended = []

    def reader(feed):
        try:
            return read_all(feed)
        except Cancelled:
            ended.append(1)
            raise

    async def stalled():
        yield b"x"
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(consume(stalled(), reader, Workers()))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert ended == [1]
