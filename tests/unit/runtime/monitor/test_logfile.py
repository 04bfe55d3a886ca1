import errno
import gzip
import json
import os
import time

import pytest

from sampan.runtime.monitor import rotation
from sampan.runtime.monitor.lines import LINE_BYTES
from sampan.runtime.monitor.logfile import LogFile


def rows(path):
    return [json.loads(row) for row in path.read_bytes().splitlines()]


def texts(path):
    return "".join(row["log"] for row in rows(path))


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


@pytest.mark.parametrize(
    "text",
    [
        b"plain\nlines\n",
        b'quote " and back\\slash \\n\n',
        "umlaut ä and \U0001f600\n".encode(),
        b"control \x01 \x7f \t\r\n",
        b"</html> & \xe2\x80\xa8\n",
        b"\n\n\n",
    ],
)
def test_text_comes_back_as_it_was(path, text):
    log = LogFile(str(path))
    log.write("stdout", text)
    log.close()
    assert texts(path).encode() == text
    assert len(rows(path)) == text.count(b"\n")


def test_invalid_utf8_is_replaced(path):
    log = LogFile(str(path))
    log.write("stdout", b"a\xffb\n")
    assert texts(path) == "a\ufffdb\n"


def test_a_record_has_dockers_members_in_dockers_order(path):
    log = LogFile(str(path), attrs='{"tag":"t"}')
    log.write("stderr", b"x\n")
    row = path.read_text()
    assert row.startswith('{"log":"x\\n","stream":"stderr","attrs":{"tag":"t"},"time":"')
    assert row.endswith('Z"}\n')


def test_lines_wait_for_their_end_but_not_for_the_other_stream(path):
    log = LogFile(str(path))
    log.write("stdout", b"half")
    log.write("stderr", b"whole\n")
    log.write("stdout", b" done\nlast")
    assert [row["log"] for row in rows(path)] == ["whole\n", "half done\n"]
    log.close()
    assert [row["log"] for row in rows(path)][-1] == "last"


@pytest.mark.parametrize("size", [LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, 5 * LINE_BYTES + 7])
@pytest.mark.parametrize("step", [1000, 65536])
def test_long_lines_are_cut_and_only_the_last_piece_has_a_newline(path, size, step):
    log = LogFile(str(path))
    text = b"x" * size + b"\nnext\n"
    for start in range(0, len(text), step):
        log.write("stdout", text[start : start + step])
    log.close()
    pieces = [row["log"] for row in rows(path)]
    assert "".join(pieces).encode() == text
    assert max(len(piece.rstrip("\n")) for piece in pieces) <= LINE_BYTES
    assert sum(piece.endswith("\n") for piece in pieces) == 2


def test_cutting_spares_characters(path):
    log = LogFile(str(path))
    text = "ä".encode() * LINE_BYTES + b"\n"
    log.write("stdout", b"a" + text)
    assert texts(path).encode() == b"a" + text


def test_rotation_keeps_so_many_files_and_loses_only_the_oldest(path):
    log = LogFile(str(path), max_size_bytes=2000, max_files=3)
    for number in range(200):
        log.write("stdout", b"%04d\n" % number)
    log.close()
    files = names(path)
    assert files == ["x.log", "x.log.1", "x.log.2"]
    found = [int(row["log"]) for name in reversed(files) for row in rows(path.parent / name)]
    assert found == list(range(found[0], 200))
    assert all((path.parent / name).stat().st_size < 2200 for name in files)


def test_a_single_read_may_fill_several_files(path):
    log = LogFile(str(path), max_size_bytes=1000, max_files=50)
    log.write("stdout", b"".join(b"%04d\n" % number for number in range(200)))
    files = sorted(path.parent.iterdir(), key=lambda p: -int(p.suffix[1:]) if p != path else 1)
    assert [int(row["log"]) for name in files for row in rows(name)] == list(range(200))


def test_one_file_alone_is_begun_anew(path):
    log = LogFile(str(path), max_size_bytes=500)
    for number in range(100):
        log.write("stdout", b"%d\n" % number)
    assert names(path) == ["x.log"]
    assert path.stat().st_size < 700
    assert rows(path)[-1]["log"] == "99\n"


def test_rotated_files_are_compressed(path):
    log = LogFile(str(path), max_size_bytes=1000, max_files=3, compress=True)
    for number in range(100):
        log.write("stdout", b"%d\n" % number)
        log._rotation.settle()
    log.close()
    assert names(path) == ["x.log", "x.log.1.gz", "x.log.2.gz"]
    found = [
        int(json.loads(row)["log"])
        for name in ("x.log.2.gz", "x.log.1.gz")
        for row in gzip.decompress((path.parent / name).read_bytes()).splitlines()
    ]
    assert found == list(range(found[0], found[0] + len(found)))


def test_rotating_faster_than_compressing_loses_nothing_and_catches_up(path, monkeypatch):
    monkeypatch.setattr(rotation, "CLOSE_S", 20)  # a busy machine compresses slowly
    log = LogFile(str(path), max_size_bytes=1000, max_files=30, compress=True)
    for number in range(200):
        log.write("stdout", b"%d\n" % number)
    log.close()
    assert not [name for name in names(path) if name.endswith(".part")]
    files = [path, *(path.with_name(f"x.log.{n}.gz") for n in range(1, len(names(path))))]
    text = b"".join(
        gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for file in reversed(files)
    )
    assert [int(json.loads(row)["log"]) for row in text.splitlines()] == list(range(200))


def test_a_compressor_that_takes_too_long_is_given_up_at_the_end(path, monkeypatch):
    def sleepy(_source, _target):
        time.sleep(20)
        os._exit(0)

    monkeypatch.setattr(rotation, "pack", sleepy)
    monkeypatch.setattr(rotation, "CLOSE_S", 0.05)
    log = LogFile(str(path), max_size_bytes=500, max_files=3, compress=True)
    for number in range(20):
        log.write("stdout", b"%d\n" % number)
    log.close()
    assert names(path) == ["x.log", "x.log.1", "x.log.2"]


def test_a_half_record_of_a_power_cut_spoils_only_itself(path):
    path.write_bytes(b'{"log":"one\\n","stream":"std')
    log = LogFile(str(path))
    log.write("stdout", b"two\n")
    log.close()
    assert json.loads(path.read_bytes().splitlines()[1])["log"] == "two\n"


def test_a_full_disk_loses_lines_but_leaves_no_half_record(path, monkeypatch):
    log = LogFile(str(path))
    log.write("stdout", b"one\n")
    write = os.write

    def half(fd, data):
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "full")
        return write(fd, bytes(data)[: len(data) - 10])

    monkeypatch.setattr(os, "write", half)
    log.write("stdout", b"two\nthree\n")
    monkeypatch.setattr(os, "write", write)
    log.write("stdout", b"four\n")
    assert [row["log"] for row in rows(path)] == ["one\n", "two\n", "four\n"]


def test_an_existing_log_is_continued(path):
    for text in (b"one\n", b"two\n"):
        log = LogFile(str(path))
        log.write("stdout", text)
        log.close()
    assert texts(path) == "one\ntwo\n"


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path):
    log = LogFile(str(tmp_path / "no/such/folder"))
    log.write("stdout", b"x\n")
    log.close()
