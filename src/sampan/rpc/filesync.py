"""fsutil's protocol: a tree of files over one call, in either direction.

    sender                             receiver
    STAT, STAT, ..., STAT (empty)  ->  all names, sorted; entries count from 0
                                   <-  REQ n      for each file whose content is wanted
    DATA n ..., DATA n (empty)     ->  contents, several at a time
                                   <-  FIN        when all is here
    FIN                            ->

Requests go out of a task of their own on both sides: the other one may be waiting for us to read.
Ending the call is its maker's business. Owners travel, but receivers of contexts pass them over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol

from sampan.errors import InvalidArgument
from sampan.lib.tarstream import Entry, Kind
from sampan.rpc.calls import Exchange, SessionLost
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import Packet, PacketType, Stat

OnProgress = Callable[[int], None]  # bytes so far
NextPiece = Callable[[Iterator[bytes]], Awaitable[bytes]]  # b"" at the end

# Go's os.FileMode, as far as kinds go.
_MODES = {
    Kind.REGULAR: 0,
    Kind.DIRECTORY: 1 << 31,
    Kind.SYMLINK: 1 << 27,
    Kind.BLOCK_DEVICE: 1 << 26,
    Kind.CHARACTER: 1 << 26 | 1 << 21,
    Kind.FIFO: 1 << 25,
}
_KINDS = {mode: kind for kind, mode in _MODES.items()}
_KIND_BITS = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_SPECIAL_BITS = ((1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000))

SENDABLE = frozenset({*_MODES, Kind.HARD_LINK})


class SenderFailed(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"error from sender: {reason}")


class Sink(Protocol):
    """Where files arrive: see builder.arrivals."""

    def announce(self, entry: Entry) -> int | None:
        """The entry's number if its content is wanted. Called once for each, in order."""
        ...

    def data(self, index: int, chunk: bytes, /) -> object: ...
    def end(self, index: int) -> None: ...


class Sender:
    """`content` gives a regular file's bytes; `piece` takes the next ones, perhaps in a thread."""

    def __init__(
        self,
        exchange: Exchange,
        entries: Iterable[Entry],
        content: Callable[[Entry], Iterator[bytes]],
        piece: NextPiece,
    ) -> None:
        self._exchange = exchange
        self._entries = entries
        self._content = content
        self._piece = piece
        self._sent: list[Entry] = []
        self._wanted: asyncio.Queue[int | None] = asyncio.Queue()

    async def run(self) -> None:
        """Raises SenderFailed with the receiver's reason, SessionLost, CallFailed."""
        reading = asyncio.ensure_future(self._read())
        try:
            for entry in self._entries:
                self._sent.append(entry)
                await self._send(Packet(PacketType.STAT, stat_of(entry)))
            await self._send(Packet(PacketType.STAT))
            while (index := await self._wanted.get()) is not None:
                await self._one(index)
            await reading
            await self._send(Packet(PacketType.FIN))
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.exception()

    async def _read(self) -> None:
        """Until the receiver says that it has everything."""
        try:
            while (message := await self._exchange.receive()) is not None:
                packet = decode(Packet, message)
                if packet.type == PacketType.FIN:
                    return
                if packet.type == PacketType.ERR:
                    raise SenderFailed(packet.data.decode("utf-8", "replace"))
                if not 0 <= packet.ID < len(self._sent):
                    raise SenderFailed(f"there is no file {packet.ID}")
                self._wanted.put_nowait(packet.ID)
            raise SessionLost
        finally:
            self._wanted.put_nowait(None)

    async def _one(self, index: int) -> None:
        pieces = self._content(self._sent[index])
        while piece := await self._piece(pieces):
            await self._send(Packet(PacketType.DATA, ID=index, data=piece))
        await self._send(Packet(PacketType.DATA, ID=index))

    async def _send(self, packet: Packet) -> None:
        await self._exchange.send(encode(packet))


class Receiver:
    def __init__(self, exchange: Exchange, sink: Sink, on_progress: OnProgress) -> None:
        self._exchange = exchange
        self._sink = sink
        self._on_progress = on_progress
        self._outgoing: asyncio.Queue[Packet | None] = asyncio.Queue()
        self._wanted = 0
        self._announced = False
        self._size_bytes = 0

    async def run(self) -> None:
        """Raises SenderFailed, SessionLost, CallFailed, and what the sink raises."""
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

    async def _receive(self) -> None:
        while (message := await self._exchange.receive()) is not None:
            finished = self._take(decode(Packet, message))
            self._size_bytes += len(message)
            self._on_progress(self._size_bytes)
            if finished:
                return
        raise SessionLost

    def _take(self, packet: Packet) -> bool:
        """Whether this was the end."""
        match packet.type:
            case PacketType.STAT:
                self._announce(packet.stat)
            case PacketType.DATA:
                if packet.data:
                    self._sink.data(packet.ID, packet.data)
                else:
                    self._sink.end(packet.ID)
                    self._wanted -= 1
            case PacketType.ERR:
                raise SenderFailed(packet.data.decode("utf-8", "replace"))
            case PacketType.FIN:
                self._outgoing.put_nowait(None)
                return True
        if self._announced and self._wanted == 0:
            self._announced = False
            self._outgoing.put_nowait(Packet(PacketType.FIN))
        return False

    def _announce(self, stat: Stat | None) -> None:
        if stat is None:
            self._announced = True
            return
        index = self._sink.announce(entry_of(stat))
        if index is not None:
            self._wanted += 1
            self._outgoing.put_nowait(Packet(PacketType.REQ, ID=index))


def entry_of(stat: Stat) -> Entry:
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
        uid=stat.uid,
        gid=stat.gid,
        size_bytes=stat.size if kind is Kind.REGULAR else 0,
        mtime_ns=stat.modTime,
        link=stat.linkname,
        device=(stat.devmajor, stat.devminor),
        xattrs=stat.xattrs if kind in {Kind.REGULAR, Kind.DIRECTORY} else {},
    )


def stat_of(entry: Entry) -> Stat:
    """A hard link is a regular file with the name of another."""
    mode = entry.mode & 0o777 | _MODES.get(entry.kind, 0)
    for bit, meaning in _SPECIAL_BITS:
        if entry.mode & meaning:
            mode |= bit
    return Stat(
        path=entry.name,
        mode=mode,
        uid=entry.uid,
        gid=entry.gid,
        size=entry.size_bytes,
        modTime=entry.mtime_ns,
        linkname=entry.link,
        devmajor=entry.device[0],
        devminor=entry.device[1],
        xattrs=entry.xattrs,
    )
