import anyio
import anyio.lowlevel

from sampan.engine.containers.session import Ready, Session, framed, unframed


class FakeStream:
    """Output given in advance, input remembered."""

    def __init__(self, *output: bytes, endless: bool = False) -> None:
        self.output = list(output)
        self.endless = endless
        self.written = b""
        self.closed = False
        self.half_closed = False

    async def read(self, limit: int = 65536) -> bytes:
        if self.output:
            return self.output.pop(0)
        if self.endless:
            await anyio.sleep_forever()
        return b""

    async def write(self, data: bytes) -> None:
        self.written += data

    def close_stdin(self) -> None:
        self.half_closed = True

    async def aclose(self) -> None:
        self.closed = True


class Later:
    """A stream that comes when the container starts."""

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.found: FakeStream | None = None

    def start(self, stream: FakeStream | None) -> None:
        self.found = stream
        self.event.set()

    async def stream(self) -> FakeStream | None:
        await self.event.wait()
        return self.found

    async def cancel(self) -> None:
        self.event.set()


async def _all(session: Session) -> bytes:
    got = b""
    while data := await session.read():
        got += data
    return got


def test_output_flows_to_its_end_and_input_to_the_process() -> None:
    async def main() -> None:
        stream = FakeStream(b"one", b"two")
        session = Session(Ready(stream), tty=False, stdin=True)
        await session.write(b"in")
        await session.close_stdin()
        assert await _all(session) == b"onetwo"
        assert (stream.written, stream.half_closed) == (b"in", True)
        await session.aclose()
        assert stream.closed

    anyio.run(main)


def test_input_without_stdin_is_dropped() -> None:
    async def main() -> None:
        stream = FakeStream()
        session = Session(Ready(stream), tty=False, stdin=False)
        await session.write(b"in")
        await session.close_stdin()
        assert (stream.written, stream.half_closed) == (b"", False)

    anyio.run(main)


def test_detach_keys_end_the_reading_and_tell_once() -> None:
    async def main() -> None:
        stream, told = FakeStream(endless=True), []
        session = Session(
            Ready(stream), tty=True, stdin=True, keys=b"\x10\x11", on_detach=lambda: told.append(1)
        )
        async with anyio.create_task_group() as group:
            group.start_soon(_all, session)
            await session.write(b"ls\x10\x11more")
        await session.write(b"after")
        assert (stream.written, told) == (b"ls", [1])
        assert not stream.half_closed

    anyio.run(main)


def test_keys_mean_nothing_without_a_terminal() -> None:
    async def main() -> None:
        stream = FakeStream()
        session = Session(Ready(stream), tty=False, stdin=True, keys=b"\x10\x11")
        await session.write(b"\x10\x11")
        assert stream.written == b"\x10\x11"

    anyio.run(main)


def test_a_client_waits_for_the_start_and_loses_nothing() -> None:
    async def main() -> None:
        later, stream = Later(), FakeStream(b"hello")
        session = Session(later, tty=False, stdin=True)
        async with anyio.create_task_group() as group:
            group.start_soon(session.write, b"typed early")
            await anyio.lowlevel.checkpoint()
            later.start(stream)
            assert await _all(session) == b"hello"
        assert stream.written == b"typed early"

    anyio.run(main)


def test_without_a_start_there_is_nothing_to_read() -> None:
    async def main() -> None:
        later = Later()
        later.start(None)
        assert await Session(later, tty=False, stdin=False).read() == b""

    anyio.run(main)


def test_stored_logs_come_first() -> None:
    async def replay():
        yield b"old"
        yield b"er"

    async def main() -> None:
        session = Session(Ready(FakeStream(b"new")), tty=False, stdin=False, replay=replay())
        assert await _all(session) == b"oldernew"

    anyio.run(main)


def test_a_terminals_output_can_be_framed() -> None:
    session = Session(Ready(FakeStream(b"a\r\n")), tty=True, stdin=False, reshape=framed)
    assert anyio.run(_all, session) == b"\x01\0\0\0\0\0\0\x03a\r\n"


def test_frames_can_be_taken_off_even_when_they_come_in_parts() -> None:
    stream = FakeStream(b"\x01\0\0\0\0", b"\0\0\x02ab\x02\0\0\0\0\0\0\x01", b"c")
    session = Session(Ready(stream), tty=False, stdin=False, reshape=unframed())
    assert anyio.run(_all, session) == b"abc"
