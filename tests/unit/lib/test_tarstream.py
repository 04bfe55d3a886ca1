"""Archives made by the standard library and by GNU tar are read as they were meant."""

import io
import os
import struct
import subprocess
import tarfile
import time

import pytest

from sampan.lib.tarpax import CorruptTar, pax_records
from sampan.lib.tarstream import Entry, Kind, TarReader, UnexpectedEof
from sampan.lib.tarwriter import TarWriter, header


class Dribble:
    """A source that gives a few bytes at a time, as a socket may."""

    def __init__(self, data, step):
        self._file = io.BytesIO(data)
        self._step = step

    def read(self, size):
        return self._file.read(min(size, self._step))


def entries(data):
    return list(TarReader(io.BytesIO(data)))


def made_by_tarfile(members, fmt):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for info, body in members:
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def info(name, **facts):
    found = tarfile.TarInfo(name)
    for key, value in facts.items():
        setattr(found, key, value)
    return found


FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("step", [1 << 20, 700, 511, 13])
def test_members_and_data_come_back(fmt, step):
    long = "/".join(["directory"] * 12) + "/file"
    data = made_by_tarfile(
        [
            (info("a", mode=0o4755, uid=7, gid=8, mtime=1234), b"hello"),
            (info(long), b"x" * 1500),
            (info("link", type=tarfile.SYMTYPE, linkname="../a"), b""),
            (info("hard", type=tarfile.LNKTYPE, linkname="a"), b""),
            (info("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
            (info("pipe", type=tarfile.FIFOTYPE), b""),
            (info("dir", type=tarfile.DIRTYPE, mode=0o1777), b""),
        ],
        fmt,
    )
    reader = TarReader(Dribble(data, step))
    found = [(entry, reader.read_all(4096)) for entry in reader]
    assert [entry.name.rstrip("/") for entry, _ in found] == [
        "a", long, "link", "hard", "null", "pipe", "dir"
    ]  # fmt: skip
    first = found[0][0]
    assert (first.mode, first.uid, first.gid, first.mtime_ns) == (0o4755, 7, 8, 1234 * 10**9)
    assert [body for _, body in found[:2]] == [b"hello", b"x" * 1500]
    assert [entry.kind for entry, _ in found[2:]] == [
        Kind.SYMLINK, Kind.HARD_LINK, Kind.CHARACTER, Kind.FIFO, Kind.DIRECTORY
    ]  # fmt: skip
    assert found[2][0].link == "../a"
    assert found[4][0].device == (1, 3)


@pytest.mark.parametrize("fmt", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links_of_both_families(fmt):
    name, link = "n" * 300, "l" * 300
    data = made_by_tarfile([(info(name, type=tarfile.SYMTYPE, linkname=link), b"")], fmt)
    (found,) = entries(data)
    assert (found.name, found.link) == (name, link)


@pytest.mark.parametrize("fmt", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_owners_beyond_octal_fields(fmt):
    (found,) = entries(made_by_tarfile([(info("a", uid=3_000_000_000, gid=2**31), b"")], fmt))
    assert (found.uid, found.gid) == (3_000_000_000, 2**31)


def test_times_before_1970_and_fractions():
    data = made_by_tarfile(
        [(info("a", mtime=-5.25), b""), (info("b", mtime=1.5), b"")], tarfile.PAX_FORMAT
    )
    assert [entry.mtime_ns for entry in entries(data)] == [-5_250_000_000, 1_500_000_000]


def test_names_that_are_not_utf8_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).write_bytes(b"x")
    data = subprocess.run(
        ["tar", "-C", tmp_path, "-cf", "-", "."], check=True, capture_output=True
    ).stdout
    assert f"./{name}" in {entry.name for entry in entries(data)}


def test_xattrs_are_read():
    member = info("a", pax_headers={"SCHILY.xattr.user.note": "v\n=1"})
    (found,) = entries(made_by_tarfile([(member, b"")], tarfile.PAX_FORMAT))
    assert found.xattrs == {"user.note": b"v\n=1"}


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=1.0"],
    ],
)
@pytest.mark.parametrize("pieces", [3, 60])
def test_sparse_files_of_gnu_tar(tmp_path, options, pieces):
    path = tmp_path / "sparse"
    with path.open("wb") as out:
        for number in range(pieces):
            out.seek(number * 200_000)
            out.write(b"%d" % number * 1000)
        out.truncate(pieces * 200_000 + 12345)
    (tmp_path / "after").write_bytes(b"after")
    data = subprocess.run(
        ["tar", "-C", tmp_path, "-cSf", "-", *options, "sparse", "after"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    reader = TarReader(io.BytesIO(data))
    for entry in reader:
        target = tmp_path / f"{entry.name}.out"
        with target.open("wb") as out:
            reader.copy_to(out.fileno())
        assert target.read_bytes() == (tmp_path / entry.name).read_bytes()
        assert entry.size_bytes == target.stat().st_size


def test_global_headers_and_data_not_read_are_passed_over():
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "c"}
    ) as archive:
        for name in "ab":
            member = info(name, size=70_000)
            archive.addfile(member, io.BytesIO(bytes(70_000)))
    assert [entry.name for entry in entries(out.getvalue())] == ["a", "b"]


def test_an_empty_source_has_no_entries():
    assert entries(b"") == []
    assert entries(bytes(1024)) == []


@pytest.mark.parametrize("cut", [1, 511, 512 + 1, 512 + 600, 2048])
def test_truncation_is_an_unexpected_eof(cut):
    data = made_by_tarfile([(info("a"), b"x" * 1000), (info("b"), b"y")], tarfile.USTAR_FORMAT)
    reader = TarReader(io.BytesIO(data[:cut]))
    with pytest.raises(UnexpectedEof, match="unexpected EOF"):
        for _ in reader:
            while reader.read():
                pass


@pytest.mark.parametrize("cut", [2048 + 1, 2048 + 100, 2048 + 512])
def test_an_archive_may_end_after_the_data_of_an_entry(cut):
    data = made_by_tarfile([(info("a"), b"x" * 1000), (info("b"), b"y")], tarfile.USTAR_FORMAT)
    assert [entry.name for entry in entries(data[:cut])] == ["a", "b"]


def test_garbage_is_an_invalid_header():
    with pytest.raises(CorruptTar, match="invalid tar header"):
        entries(b"garbage " * 200)


def test_a_changed_byte_fails_the_checksum():
    data = bytearray(made_by_tarfile([(info("a"), b"x")], tarfile.USTAR_FORMAT))
    data[3] = ord("b")
    with pytest.raises(CorruptTar):
        entries(bytes(data))


@pytest.mark.parametrize(
    "body",
    [b"99 path=a\n", b"x path=a\n", b"7 path\n", b"9 path=ab", b"11 path=a\0b\n", b"-1 a=b\n"],
)
def test_broken_pax_records_are_refused(body):
    with pytest.raises(CorruptTar):
        pax_records(body)


def test_a_special_entry_that_fills_memory_is_refused():
    huge = bytearray(header(Entry(name="x", size_bytes=1 << 30)))
    huge[156:157] = b"L"
    total = sum(huge) - sum(huge[148:156]) + 256
    huge[148:156] = b"%06o\0 " % total
    with pytest.raises(CorruptTar):
        entries(bytes(huge))


@pytest.mark.parametrize("runs", [(5, 10, 0, 2), (0, 600), (0, -1)])
def test_sparse_maps_that_lie_are_refused(runs):
    text = ",".join(str(number) for number in runs)
    member = info("a", pax_headers={"GNU.sparse.map": text, "GNU.sparse.size": "100"})
    data = made_by_tarfile([(member, b"x" * 12)], tarfile.PAX_FORMAT)
    with pytest.raises(CorruptTar):
        entries(data)


def test_negative_base_256_sizes_are_refused():
    block = bytearray(header(Entry(name="x")))
    block[124:136] = b"\xff" * 12
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256)
    with pytest.raises(CorruptTar):
        entries(bytes(block))


def test_what_is_written_is_what_tarfile_reads():
    out = io.BytesIO()
    writer = TarWriter(out)
    long = "d" * 90 + "/" + "f" * 90
    writer.add_bytes(Entry(name="a", size_bytes=3, mtime_ns=5 * 10**9, mode=0o4755), b"abc")
    writer.add(Entry(name="dir", kind=Kind.DIRECTORY, mode=0o755, uid=2**31))
    writer.add(Entry(name=long, kind=Kind.SYMLINK, link="t" * 150))
    writer.add(Entry(name="ü" * 60, size_bytes=600), io.BytesIO(b"z" * 600))
    writer.add(Entry(name="cap", xattrs={"security.capability": b"\x01\0\xff"}, mtime_ns=1500))
    writer.add(Entry(name="tty", kind=Kind.CHARACTER, device=(5, 1)))
    writer.finish()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue()), errors="surrogateescape") as archive:
        found = archive.getmembers()
        assert archive.extractfile(found[3]).read() == b"z" * 600
    assert [member.name for member in found] == ["a", "dir", long, "ü" * 60, "cap", "tty"]
    assert (found[0].mode, found[0].mtime) == (0o4755, 5)
    assert found[1].isdir()
    assert found[1].uid == 2**31
    assert found[2].linkname == "t" * 150
    assert (found[5].devmajor, found[5].devminor) == (5, 1)
    again = entries(out.getvalue())
    assert again[4].xattrs == {"security.capability": b"\x01\0\xff"}
    assert again[4].mtime_ns == 1500


@pytest.mark.parametrize("length", range(80, 110))
def test_pax_record_lengths_count_themselves(length):
    value = b"v" * length
    entry = Entry(name="a", xattrs={"user.k": value})
    (found,) = entries(header(entry) + bytes(1024))
    assert found.xattrs["user.k"] == value


def test_a_file_that_shrinks_while_being_written_is_filled_up():
    out = io.BytesIO()
    writer = TarWriter(out)
    writer.add(Entry(name="a", size_bytes=1000), io.BytesIO(b"x" * 10))
    writer.finish()
    reader = TarReader(io.BytesIO(out.getvalue()))
    assert [reader.read_all(2000) for _ in reader] == [b"x" * 10 + bytes(990)]


def test_headers_are_plain_ustar_where_that_suffices():
    block = header(Entry(name="dir/file", size_bytes=1))
    assert len(block) == 512
    assert struct.unpack_from("6s2s", block, 257) == (b"ustar\0", b"00")


def made_pax(body):
    block = bytearray(header(Entry(name="x", size_bytes=len(body))))
    block[156:157] = b"x"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + body + bytes(-len(body) % 512)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def test_a_second_extended_header_replaces_the_first():
    """Else a stream of them would fill the memory before any member comes."""
    first = made_pax(record(b"SCHILY.xattr.user.a", b"1"))
    second = made_pax(record(b"path", b"named"))
    (found,) = entries(first + second + header(Entry(name="plain")) + bytes(1024))
    assert (found.name, found.xattrs) == ("named", {})


@pytest.mark.parametrize("field", [b"0_000644", b"+000644 ", b"-000644 ", b"0 000644"])
def test_numbers_are_octal_digits_and_nothing_else(field):
    block = bytearray(header(Entry(name="x")))
    block[100:108] = field.ljust(8, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(CorruptTar):
        entries(bytes(block) + bytes(1024))


@pytest.mark.parametrize("data", [b"1" * (8 << 20), b"65536\n" + b"7\n" * (4 << 20), b"9" * 600])
def test_sparse_maps_without_an_end_are_refused_at_once(data):
    start = time.perf_counter()
    records = [
        record(b"GNU.sparse.major", b"1"),
        record(b"GNU.sparse.minor", b"0"),
        record(b"GNU.sparse.realsize", b"10"),
    ]
    head = made_pax(b"".join(records)) + header(Entry(name="s", size_bytes=len(data)))
    with pytest.raises(CorruptTar):
        entries(head + data + bytes(1024))
    assert time.perf_counter() - start < 2
