import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest

from sampan.errors import Cancelled
from sampan.lib.bridge import Readable, Writable, consumed, produced
from sampan.lib.workers import Workers


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_produced_gives_all_bytes_in_order() -> None:
    def write(out: Writable) -> None:
        for number in range(5000):
            out.write(str(number).encode() * 100)

    async def main() -> None:
        got = b"".join([chunk async for chunk in produced(Workers(), write)])
        assert got == b"".join(str(number).encode() * 100 for number in range(5000))

    anyio.run(main)


def test_produced_raises_the_writers_failure_after_its_bytes() -> None:
    def write(out: Writable) -> None:
        out.write(b"x" * 300_000)
        raise ValueError("broken")

    async def main() -> None:
        got = bytearray()
        with pytest.raises(ValueError, match="broken"):
            async for chunk in produced(Workers(), write):
                got += chunk
        assert len(got) == 300_000

    anyio.run(main)


def test_a_reader_that_leaves_ends_the_writer() -> None:
    ended = []

    def write(out: Writable) -> None:
        try:
            while True:
                out.write(b"x" * 100_000)
        except BrokenPipeError:
            ended.append(True)
            raise

    async def main() -> None:
        stream = produced(Workers(), write)
        await anext(stream)
        await stream.aclose()
        assert ended

    anyio.run(main)


def test_consumed_feeds_the_reader_everything() -> None:
    def read(source: Readable) -> int:
        total = 0
        while data := source.read(1000):
            total += len(data)
        return total

    async def main() -> None:
        pieces = _pieces(*[b"y" * 70_000] * 40)
        assert await consumed(Workers(), pieces, read) == 70_000 * 40

    anyio.run(main)


def test_consumed_does_not_wait_for_what_the_reader_does_not_want() -> None:
    async def main() -> None:
        pieces = _pieces(*[b"y" * 70_000] * 40)
        assert await consumed(Workers(), pieces, lambda source: source.read(5)) == b"yyyyy"

    anyio.run(main)


def test_a_broken_source_fails_the_reader_too() -> None:
    seen = []

    async def broken() -> AsyncIterator[bytes]:
        yield b"z"
        raise ConnectionResetError("client went")

    def read(source: Readable) -> None:
        try:
            while source.read(10):
                pass
        except OSError as error:
            seen.append(error)
            raise

    async def main() -> None:
        with pytest.raises(ConnectionResetError):
            await consumed(Workers(), broken(), read)
        assert len(seen) == 1

    anyio.run(main)


def test_consumed_keeps_order_past_the_buffer_limit() -> None:
    data = [bytes([number]) * (1 << 20) for number in range(12)]

    def read(source: Readable) -> bytes:
        found = bytearray()
        while chunk := source.read(70_000):
            found += chunk
        return bytes(found)

    async def main() -> None:
        assert await consumed(Workers(), _pieces(*data), read) == b"".join(data)

    anyio.run(main)


def test_the_sources_failure_wins_over_what_the_reader_makes_of_it() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"z"
        raise ConnectionResetError("client went")

    def read(source: Readable) -> None:
        try:
            while source.read(10):
                pass
        except OSError as error:
            raise ValueError("truncated archive") from error

    async def main() -> None:
        with pytest.raises(ConnectionResetError):
            await consumed(Workers(), broken(), read)

    anyio.run(main)


def test_cancelling_consumed_ends_the_reading_thread() -> None:
    ended = []

    def read(source: Readable) -> None:
        try:
            while source.read(10):
                pass
        except Cancelled:
            ended.append(True)
            raise

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x"
        await anyio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(consumed(Workers(), stalled(), read))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    anyio.run(main)
    assert ended
