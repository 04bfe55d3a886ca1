import bz2
import gzip
import io
import lzma
import os

import pytest
import zstandard

from sampan.errors import DataLoss
from sampan.store.decompress import Compression, decompressed

PACK = {
    Compression.PLAIN: bytes,
    Compression.GZIP: gzip.compress,
    Compression.ZSTD: lambda data: zstandard.ZstdCompressor().compress(data),
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lzma.compress,
}
COMPRESSED = [kind for kind in Compression if kind is not Compression.PLAIN]


def read_all(source, size=10_000):
    compression, plain = decompressed(source)
    found = bytearray()
    while piece := plain.read(size):
        found += piece
    return compression, bytes(found)


class Dribble(io.BytesIO):
    def read(self, size=-1):
        return super().read(min(size, 7))


@pytest.mark.parametrize("kind", list(Compression))
@pytest.mark.parametrize("source", [io.BytesIO, Dribble])
def test_each_kind_is_detected_and_unpacked(kind, source):
    data = os.urandom(3_000) + b"sampan" * 4_000
    assert read_all(source(PACK[kind](data))) == (kind, data)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_members_in_a_row_are_one_stream_and_padding_is_ignored(kind):
    packed = PACK[kind](b"one ") + PACK[kind](b"two") + bytes(1000)
    assert read_all(io.BytesIO(packed)) == (kind, b"one two")


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_stream_that_ends_early_is_data_loss(kind):
    packed = PACK[kind](os.urandom(5000))
    for cut in (len(packed) - 1, len(packed) // 2):
        with pytest.raises(DataLoss, match="unexpected EOF"):
            read_all(io.BytesIO(packed[:cut]))


@pytest.mark.parametrize("kind", [Compression.GZIP, Compression.BZIP2, Compression.XZ])
def test_a_flipped_bit_is_data_loss(kind):
    packed = bytearray(PACK[kind](b"sampan " * 1000))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(DataLoss):
        read_all(io.BytesIO(bytes(packed)))


def test_a_wrong_gzip_checksum_is_data_loss():
    packed = bytearray(gzip.compress(b"sampan"))
    packed[-8] ^= 1
    with pytest.raises(DataLoss):
        read_all(io.BytesIO(bytes(packed)))


def test_garbage_behind_the_end_is_data_loss():
    with pytest.raises(DataLoss):
        read_all(io.BytesIO(gzip.compress(b"x") + b"garbage"))


def test_bombs_come_out_in_bounded_pieces():
    packed = gzip.compress(bytes(64 << 20))
    _, plain = decompressed(io.BytesIO(packed))
    assert len(plain.read(1 << 16)) <= 1 << 16


def test_short_and_empty_streams_are_plain():
    assert read_all(io.BytesIO(b"")) == (Compression.PLAIN, b"")
    assert read_all(io.BytesIO(b"\x1f")) == (Compression.PLAIN, b"\x1f")


def test_a_zstd_bomb_comes_in_bearable_pieces():
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(1 << 30))
    _, plain = decompressed(io.BytesIO(bomb))
    assert max(len(plain.read(10_000)) for _ in range(16)) <= 64 << 20
