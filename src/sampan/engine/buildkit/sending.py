"""Handing a result to the build's client: its files one by one, or one archive.

`send_files` is the sender's side of fsutil's protocol (transfer.py has the receiver's): all names,
then the contents that the client asks for, until it says FIN. `send_bytes` is a stream of chunks.
The client keeps a place for each exporter of its request, by number.
"""

import asyncio
from collections.abc import AsyncIterator

from sampan.builder.directory import DirectoryTree
from sampan.builder.trees import walk
from sampan.engine.buildkit.failures import SessionLost
from sampan.engine.buildkit.sessions import Caller, Exchange
from sampan.engine.buildkit.transfer import SenderFailed
from sampan.errors import Unsupported
from sampan.lib.tarstream import Entry, Kind
from sampan.lib.workers import Workers
from sampan.wire.buildkit.common import BytesMessage
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import FILES_OUT, Packet, PacketType, Stat

CHUNK_BYTES = 1 << 20  # clients refuse messages of more than 4 MiB
_EXPORTER = "buildkit-attachable-exporter-id"

_MODES = {
    Kind.REGULAR: 0,
    Kind.DIRECTORY: 1 << 31,
    Kind.SYMLINK: 1 << 27,
    Kind.BLOCK_DEVICE: 1 << 26,
    Kind.CHARACTER: 1 << 26 | 1 << 21,
    Kind.FIFO: 1 << 25,
}
_SPECIAL_BITS = ((0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20))


class NoOutput(Unsupported):
    def __init__(self) -> None:
        super().__init__("the client's session takes no files")


async def send_bytes(caller: Caller, number: int, chunks: AsyncIterator[bytes]) -> None:
    """Raises CallFailed with the client's reason, SessionLost."""
    if not caller.supports(FILES_OUT):
        raise NoOutput
    async with caller.call(FILES_OUT, [(_EXPORTER, str(number))]) as exchange:
        async for chunk in chunks:
            for start in range(0, len(chunk), CHUNK_BYTES):
                await exchange.send(encode(BytesMessage(chunk[start : start + CHUNK_BYTES])))
        await exchange.finish()
        while await exchange.receive() is not None:
            pass


async def send_files(caller: Caller, number: int, tree: DirectoryTree, workers: Workers) -> None:
    """Raises CallFailed, SessionLost, SenderFailed with the client's reason."""
    if not caller.supports(FILES_OUT):
        raise NoOutput
    entries = await workers.run(lambda: [one for one in walk(tree, "") if one.kind in _MODES])
    async with caller.call(FILES_OUT, [(_EXPORTER, str(number))]) as exchange:
        await _Sender(exchange, tree, entries, workers).run()


class _Sender:
    """Requests are read by a task of their own, while names are still going out."""

    def __init__(
        self, exchange: Exchange, tree: DirectoryTree, entries: list[Entry], workers: Workers
    ) -> None:
        self._exchange = exchange
        self._tree = tree
        self._entries = entries
        self._workers = workers
        self._wanted: asyncio.Queue[int | None] = asyncio.Queue()

    async def run(self) -> None:
        reading = asyncio.ensure_future(self._read())
        try:
            for entry in self._entries:
                await self._send(Packet(PacketType.STAT, _stat(entry)))
            await self._send(Packet(PacketType.STAT))
            while (index := await self._wanted.get()) is not None:
                await self._content(index)
            await reading
            await self._send(Packet(PacketType.FIN))
            await self._exchange.finish()
            while await self._exchange.receive() is not None:
                pass
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self) -> None:
        """Until the client says that it has everything."""
        try:
            while (message := await self._exchange.receive()) is not None:
                packet = decode(Packet, message)
                if packet.type == PacketType.FIN:
                    return
                if packet.type == PacketType.ERR:
                    raise SenderFailed(packet.data.decode("utf-8", "replace"))
                self._wanted.put_nowait(packet.ID)
            raise SessionLost
        finally:
            self._wanted.put_nowait(None)

    async def _content(self, index: int) -> None:
        pieces = self._tree.data(self._entries[index])
        while piece := await self._workers.run(next, pieces, b""):
            await self._send(Packet(PacketType.DATA, ID=index, data=piece))
        await self._send(Packet(PacketType.DATA, ID=index))

    async def _send(self, packet: Packet) -> None:
        await self._exchange.send(encode(packet))


def _stat(entry: Entry) -> Stat:
    mode = entry.mode & 0o777 | _MODES[entry.kind]
    for bit, meaning in _SPECIAL_BITS:
        if entry.mode & bit:
            mode |= meaning
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
