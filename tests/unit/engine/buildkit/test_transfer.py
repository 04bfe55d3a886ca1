"""fsutil's protocol, with the client's side played from a table."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from sampan.engine.buildkit.transfer import fetch
from sampan.lib.tarstream import Kind
from sampan.rpc.calls import SessionLost
from sampan.rpc.filesync import SenderFailed
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import FILES_IN, Packet, PacketType, Stat

DIRECTORY, SYMLINK, SETUID, SOCKET = 1 << 31, 1 << 27, 1 << 23, 1 << 24


class Client:
    """Sends `stats`, then whatever content is asked for; `contents` by path."""

    def __init__(self, stats, contents, *, last=PacketType.FIN):
        self._stats = stats
        self._contents = contents
        self._last = last
        self._out = asyncio.Queue()
        self.metadata = []
        for stat in [*stats, None]:
            self._out.put_nowait(Packet(PacketType.STAT, stat))

    def supports(self, method):
        return method == FILES_IN

    @asynccontextmanager
    async def call(self, method, metadata=()):
        self.metadata = list(metadata)
        yield self

    async def send(self, message):
        packet = decode(Packet, message)
        if packet.type == PacketType.REQ:
            content = self._contents[self._stats[packet.ID].path]
            for piece in (*content, b""):
                self._out.put_nowait(Packet(PacketType.DATA, ID=packet.ID, data=piece))
        elif self._last is not None:
            self._out.put_nowait(Packet(self._last, data=b"disk on fire"))
            self._out.put_nowait(None)

    async def finish(self):
        pass

    async def receive(self):
        if self._last is None and self._out.empty():
            return None
        packet = await self._out.get()
        return None if packet is None else encode(packet)


def fetched(client, tmp_path, **options):
    sizes = []

    async def run():
        return await fetch(client, "context", scratch=tmp_path, on_progress=sizes.append, **options)

    return asyncio.run(run()), sizes


def test_files_links_and_modes_arrive(tmp_path):
    client = Client(
        [
            Stat("d", DIRECTORY | 0o755),
            Stat("d/f", SETUID | 0o755, size=4, modTime=5),
            Stat("d/l", SYMLINK | 0o777, linkname="f"),
            Stat("empty", 0o600),
            Stat("sock", SOCKET | 0o777),
        ],
        {"d/f": [b"ab", b"cd"], "empty": []},
    )
    tree, sizes = fetched(client, tmp_path, without=["x"], only=["d", "é"])
    with tree:
        assert tree.find("d/f").mode == 0o4755
        assert tree.find("d/f").mtime_ns == 5
        assert b"".join(tree.data(tree.find("d/f"))) == b"abcd"
        assert (tree.find("d/l").kind, tree.find("d/l").link) == (Kind.SYMLINK, "f")
        assert tree.names("") == ["d", "empty"]
    assert sizes == sorted(sizes)
    assert client.metadata == [
        ("dir-name", "context"),
        ("exclude-patterns", "x"),
        ("followpaths", "d"),
        ("followpaths", "%C3%A9"),
        ("followpaths-encoded", "1"),
    ]


def test_the_senders_error_is_ours(tmp_path):
    with pytest.raises(SenderFailed, match="disk on fire"):
        fetched(Client([], {}, last=PacketType.ERR), tmp_path)


def test_a_transfer_that_stops_early_is_an_error(tmp_path):
    with pytest.raises(SessionLost):
        fetched(Client([], {}, last=None), tmp_path)
