"""Mutated archives: whatever is in them, nothing outside of the tree changes and nothing hangs."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.errors import SampanError
from sampan.store.apply import extract, plain_extract

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")

NAMES = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", ".wh...", "up", "é" * 90]),
    min_size=1,
    max_size=5,
).map("/".join)
LINKS = st.one_of(NAMES, st.sampled_from(["/", "/outside", "../outside", "../../outside/secret"]))
KINDS = st.sampled_from(
    [
        *(tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE),
        *(tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE, b"V"),
    ]
)
PACK = [
    bytes,
    lambda data: gzip.compress(data, 1),
    zstandard.ZstdCompressor(level=1).compress,
    bz2.compress,
    lambda data: lzma.compress(data, preset=0),
]
FEW = settings(
    max_examples=250,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Archive(bytes):
    """In a failure's text, something to put into a test as it is."""

    def __repr__(self):
        return f"zlib.decompress({zlib.compress(self, 9)!r})"


@st.composite
def archives(draw):
    out = io.BytesIO()
    fmt = draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=out, mode="w", format=fmt) as tar:
        for _ in range(draw(st.integers(1, 6))):
            info = tarfile.TarInfo(draw(NAMES))
            info.type = draw(KINDS)
            info.linkname = draw(LINKS)
            info.mode = draw(st.sampled_from([0o644, 0o755, 0o6777, 0]))
            info.mtime = draw(st.sampled_from([0, 1, 1 << 33, -1]))
            info.uid = draw(st.sampled_from([0, 1000, 1 << 20, 1 << 40]))
            body = b""
            if info.type == tarfile.REGTYPE:
                body = draw(st.sampled_from([b"", b"x", b"y" * 1000]))
            if fmt == tarfile.PAX_FORMAT and draw(st.booleans()):
                key = draw(
                    st.sampled_from(
                        [
                            *("SCHILY.xattr.user.a", "SCHILY.xattr.trusted.overlay.redirect"),
                            *("SCHILY.xattr.security.capability", "SCHILY.xattr.bad"),
                            *("GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.realsize", "size"),
                        ]
                    )
                )
                info.pax_headers = {key: draw(st.sampled_from(["1", "0,1", "../x", "9" * 19]))}
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    data = bytearray(out.getvalue())
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, min(len(data), 4096) - 1))] = draw(st.integers(0, 255))
    mend(data, draw(st.booleans()))
    return Archive(data[: draw(st.sampled_from([len(data), len(data) // 2, 700]))])


def mend(data: bytearray, wanted: bool) -> None:
    """Right checksums, so that changed headers aren't refused for these alone."""
    for at in range(0, len(data) - 511, 512) if wanted else ():
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])


@pytest.fixture
def world():
    """Not below pytest's folder: its names are long, and each example makes the tree anew."""
    home = Path(tempfile.mkdtemp(prefix="fuzz-"))
    yield home
    shutil.rmtree(home)


def prepared(home: Path) -> Path:
    root, outside = home / "root", home / "outside"
    for folder in (root, outside):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (outside / "secret").write_text("secret")
    (root / "up").symlink_to("../outside")
    return root


def check_outside(home: Path) -> None:
    found = (home / "outside/secret").stat()
    assert [path.name for path in (home / "outside").iterdir()] == ["secret"]
    assert (home / "outside/secret").read_text() == "secret"
    assert (found.st_nlink, found.st_mode & 0o7777, found.st_uid) == (1, 0o644, 0)
    assert sorted(path.name for path in home.iterdir()) == ["outside", "root"]


@FEW
@given(data=archives(), pack=st.sampled_from(PACK), layer=st.booleans())
def test_archives_stay_inside_or_are_refused_in_our_words(world, data, pack, layer):
    root = prepared(world)
    try:
        if layer:
            extract(io.BytesIO(pack(data)), root)
        else:
            plain_extract(io.BytesIO(pack(data)), root, into="/up/../a")
    except SampanError:
        pass
    except (FileNotFoundError, NotADirectoryError):
        assert not layer  # the folder to unpack in isn't there
    check_outside(world)


@FEW
@given(data=st.binary(max_size=2000), magic=st.sampled_from([b"", b"\x1f\x8b\x08", b"BZh9"]))
def test_noise_is_refused_in_our_words(world, data, magic):
    root = prepared(world)
    with suppress(SampanError):
        extract(io.BytesIO(magic + data), root)
    check_outside(world)
