"""Handing a result to the build's client: its files one by one, or one archive.

`send_files` speaks fsutil's protocol (rpc/filesync.py), `send_bytes` a stream of chunks. The client
keeps a place for each exporter of its request, by number.
"""

from collections.abc import AsyncIterator, Iterator

import msgspec

from sampan.builder.directory import DirectoryTree
from sampan.builder.trees import walk
from sampan.errors import Unsupported
from sampan.lib.tarstream import Entry
from sampan.lib.workers import Workers
from sampan.rpc.calls import Caller
from sampan.rpc.filesync import SENDABLE, Sender
from sampan.wire.buildkit.common import BytesMessage
from sampan.wire.buildkit.protobuf import encode
from sampan.wire.buildkit.session import EXPORTER_HEADER, FILES_OUT

CHUNK_BYTES = 1 << 20  # clients refuse messages of more than 4 MiB


class NoOutput(Unsupported):
    def __init__(self) -> None:
        super().__init__("the client's session takes no files")


async def send_bytes(caller: Caller, number: int, chunks: AsyncIterator[bytes]) -> None:
    """Raises CallFailed with the client's reason, SessionLost."""
    if not caller.supports(FILES_OUT):
        raise NoOutput
    async with caller.call(FILES_OUT, [(EXPORTER_HEADER, str(number))]) as exchange:
        async for chunk in chunks:
            for start in range(0, len(chunk), CHUNK_BYTES):
                await exchange.send(encode(BytesMessage(chunk[start : start + CHUNK_BYTES])))
        await exchange.finish()
        while await exchange.receive() is not None:
            pass


async def send_files(
    caller: Caller,
    number: int,
    tree: DirectoryTree,
    workers: Workers,
    *,
    latest_ns: int | None = None,
) -> None:
    """Younger files than `latest_ns` get that time.

    Raises CallFailed, SessionLost, SenderFailed with the client's reason.
    """
    if not caller.supports(FILES_OUT):
        raise NoOutput

    async def piece(pieces: Iterator[bytes]) -> bytes:
        return await workers.run(next, pieces, b"")

    entries = await workers.run(_entries, tree, latest_ns)
    async with caller.call(FILES_OUT, [(EXPORTER_HEADER, str(number))]) as exchange:
        await Sender(exchange, entries, tree.data, piece).run()
        await exchange.finish()
        while await exchange.receive() is not None:
            pass


def _entries(tree: DirectoryTree, latest_ns: int | None) -> list[Entry]:
    found = [one for one in walk(tree, "") if one.kind in SENDABLE]
    if latest_ns is None:
        return found
    return [msgspec.structs.replace(one, mtime_ns=min(one.mtime_ns, latest_ns)) for one in found]
