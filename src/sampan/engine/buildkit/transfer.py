"""Fetching files from a build's client: fsutil's protocol over FileSync/DiffCopy.

    client                            engine
    STAT, STAT, ..., STAT (empty)  -> all names, sorted; files count from 0
                                   <- REQ n      for each file whose content is wanted
    DATA n ..., DATA n (empty)     -> contents, several at a time
                                   <- FIN        when all is here
    FIN                            ->

What to send is said in the call's headers: the directory's name, patterns to leave out, and paths
to which the transfer is narrowed (links in them are followed by the client).
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote_plus

from sampan.builder.arrivals import Arrivals
from sampan.builder.context import ContextTree
from sampan.engine.buildkit.failures import SessionLost
from sampan.engine.buildkit.sessions import Caller, Exchange, Metadata
from sampan.errors import InvalidArgument, Unsupported
from sampan.lib.tarstream import Entry, Kind
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import FILES_IN, Packet, PacketType, Stat

OnProgress = Callable[[int], None]  # bytes so far

# Go's os.FileMode, as far as kinds go.
_KINDS = {
    0: Kind.REGULAR,
    1 << 31: Kind.DIRECTORY,
    1 << 27: Kind.SYMLINK,
    1 << 26: Kind.BLOCK_DEVICE,
    1 << 26 | 1 << 21: Kind.CHARACTER,
    1 << 25: Kind.FIFO,
}
_KIND_BITS = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_SPECIAL_BITS = ((1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000))


class SenderFailed(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"error from sender: {reason}")


async def fetch(
    caller: Caller,
    directory: str,
    *,
    scratch: Path,
    on_progress: OnProgress,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
) -> ContextTree:
    """The files of the client's directory of that name. Raises CallFailed, SenderFailed."""
    if not caller.supports(FILES_IN):
        raise Unsupported("the client's session doesn't offer its files")
    headers = [
        ("dir-name", directory),
        *_headers("exclude-patterns", without),
        *_headers("followpaths", only),
    ]
    arrivals = Arrivals(scratch)
    try:
        async with caller.call(FILES_IN, headers) as exchange:
            await _Receiver(exchange, arrivals, on_progress).run()
        return arrivals.tree()
    except BaseException:
        arrivals.close()
        raise


def _headers(name: str, values: Sequence[str]) -> Metadata:
    """Values that aren't ASCII make all of them escaped."""
    if all(value.isascii() for value in values):
        return [(name, value) for value in values]
    return [(name, quote_plus(value)) for value in values] + [(f"{name}-encoded", "1")]


class _Receiver:
    """Requests go out of a task of their own: the client may be waiting for us to read."""

    def __init__(self, exchange: Exchange, arrivals: Arrivals, on_progress: OnProgress) -> None:
        self._exchange = exchange
        self._arrivals = arrivals
        self._on_progress = on_progress
        self._outgoing: asyncio.Queue[Packet | None] = asyncio.Queue()
        self._wanted = 0
        self._announced = False
        self._size_bytes = 0

    async def run(self) -> None:
        sending = asyncio.ensure_future(self._send())
        try:
            await self._receive()
            await sending
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    async def _send(self) -> None:
        while (packet := await self._outgoing.get()) is not None:
            await self._exchange.send(encode(packet))
        await self._exchange.finish()

    async def _receive(self) -> None:
        finished = False
        while (message := await self._exchange.receive()) is not None:
            finished = self._take(decode(Packet, message)) or finished
            self._size_bytes += len(message)
            self._on_progress(self._size_bytes)
        if not finished:
            raise SessionLost

    def _take(self, packet: Packet) -> bool:
        """Whether this was the end."""
        match packet.type:
            case PacketType.STAT:
                self._announce(packet.stat)
            case PacketType.DATA:
                if packet.data:
                    self._arrivals.data(packet.ID, packet.data)
                else:
                    self._arrivals.end(packet.ID)
                    self._wanted -= 1
            case PacketType.ERR:
                raise SenderFailed(packet.data.decode("utf-8", "replace"))
            case PacketType.FIN:
                self._outgoing.put_nowait(None)
                return True
        if self._announced and self._wanted == 0 and packet.type != PacketType.FIN:
            self._announced = False
            self._outgoing.put_nowait(Packet(PacketType.FIN))
        return False

    def _announce(self, stat: Stat | None) -> None:
        if stat is None:
            self._announced = True
            return
        index = self._arrivals.announce(_entry(stat))
        if index is not None:
            self._wanted += 1
            self._outgoing.put_nowait(Packet(PacketType.REQ, ID=index))


def _entry(stat: Stat) -> Entry:
    kind = _KINDS.get(stat.mode & _KIND_BITS, Kind.UNKNOWN)
    if kind is Kind.REGULAR and stat.linkname:
        kind = Kind.HARD_LINK
    mode = stat.mode & 0o777
    for bit, meaning in _SPECIAL_BITS:
        if stat.mode & bit:
            mode |= meaning
    return Entry(
        name=stat.path,
        kind=kind,
        mode=mode,
        size_bytes=stat.size if kind is Kind.REGULAR else 0,
        mtime_ns=stat.modTime,
        link=stat.linkname,
        device=(stat.devmajor, stat.devminor),
        xattrs=stat.xattrs if kind in {Kind.REGULAR, Kind.DIRECTORY} else {},
    )
