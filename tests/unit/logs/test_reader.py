import asyncio
import os

import pytest

from sampan.lib.gotime import format_ns
from sampan.logs.handover import Handover
from sampan.logs.reader import follow, read
from sampan.runtime.monitor import rotation
from sampan.runtime.monitor.logfile import LogFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


def numbers(records):
    return [int(record.line) for record in records]


def write(path, count, *, start=0, **options):
    log = LogFile(str(path), **options)
    for number in range(start, start + count):
        log.write("stderr" if number % 2 else "stdout", b"%d\n" % number)
    log._rotation.settle()
    log.close()


@pytest.mark.parametrize("options", [{}, {"max_size_bytes": 3000, "max_files": 100}])
@pytest.mark.parametrize("tail", [None, 0, 1, 7, 200, 5000])
def test_tail_reads_the_last_records_of_all_files(path, options, tail):
    write(path, 300, **options)
    expected = list(range(300)) if tail is None else list(range(300))[max(0, 300 - tail) :]
    assert numbers(read(path, tail=tail)) == (expected if tail != 0 else [])


@pytest.mark.parametrize("tail", [None, 5, 150, 290])
def test_compressed_files_are_read(path, tail):
    write(path, 300, max_size_bytes=3000, max_files=100, compress=True)
    assert list(path.parent.glob("*.gz"))
    assert numbers(read(path, tail=tail)) == list(range(300))[-(tail or 300) :]


def test_streams_and_times_select(path):
    path.write_text(
        "".join(
            f'{{"log":"{n}\\n","stream":"std{"err" if n % 2 else "out"}",'
            f'"time":"{format_ns(1_700_000_000_000_000_000 + n)}"}}\n'
            for n in range(10)
        )
    )
    base = 1_700_000_000_000_000_000
    assert numbers(read(path, stderr=False)) == [0, 2, 4, 6, 8]
    assert numbers(read(path, stdout=False, tail=3)) == [7, 9]
    assert numbers(read(path, since_ns=base + 7)) == [7, 8, 9]
    assert numbers(read(path, since_ns=base + 3, until_ns=base + 5)) == [3, 4, 5]


def test_torn_and_foreign_lines_are_skipped(path):
    write(path, 2)
    with path.open("ab") as out:
        out.write(b'not json\n{"log":"2\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n{"lo')
    assert numbers(read(path)) == [0, 1, 2]
    assert numbers(read(path, tail=1)) == [2]


def test_no_log_has_no_records(path):
    assert list(read(path)) == []
    assert list(read(path, tail=3)) == []


def test_attributes_come_along(path):
    log = LogFile(str(path), attrs='{"tag":"t"}')
    log.write("stdout", b"1\n")
    assert [record.attrs for record in read(path)] == [{"tag": "t"}]


def gather(path, writer, **options):
    """Follow `path` while the coroutine function `writer` runs; all records until it's done."""

    async def main():
        stop = asyncio.get_running_loop().create_future()

        async def work():
            await writer()
            stop.set_result(None)

        task = asyncio.create_task(work())
        batches = [batch async for batch in follow(path, stop=stop, **options)]
        await task
        return [record for batch in batches for record in batch]

    return asyncio.run(main())


@pytest.mark.parametrize(
    "rotation",
    [
        {},
        {"max_size_bytes": 2000, "max_files": 100},
        {"max_size_bytes": 2000, "max_files": 100, "compress": True},
    ],
)
@pytest.mark.parametrize(("tail", "first"), [(None, 0), (0, 40), (4, 36)])
def test_follow_goes_on_without_loss_or_doubling(path, rotation, tail, first):
    write(path, 40, **rotation)

    async def writer():
        log = LogFile(str(path), **rotation)
        for number in range(40, 400):
            log.write("stdout", b"%d\n" % number)
            if number % 17 == 0:
                await asyncio.sleep(0.002)
        log._rotation.settle()
        log.close()

    assert numbers(gather(path, writer, tail=tail)) == list(range(first, 400))


def test_follow_begins_before_there_is_a_log(path):
    async def writer():
        await asyncio.sleep(0.02)
        write(path, 3)

    assert numbers(gather(path, writer)) == [0, 1, 2]


def test_follow_ends_at_once_when_stopped(path):
    write(path, 5)

    async def writer():
        return

    assert numbers(gather(path, writer, stdout=False)) == [1, 3]


def test_a_file_emptied_in_place_is_read_from_its_start(path):
    write(path, 20)

    async def writer():
        await asyncio.sleep(0.05)
        path.write_bytes(b"")
        write(path, 2, start=20)

    assert numbers(gather(path, writer, tail=0)) == [20, 21]


@pytest.mark.parametrize("max_files", [1, 3])
@pytest.mark.parametrize("compress", [False, True])
def test_a_follower_slower_than_the_rotation_misses_nothing(path, max_files, compress):
    rotation = {"max_size_bytes": 1000, "max_files": max_files, "compress": compress}
    write(path, 3, **rotation)

    async def writer():
        log = LogFile(str(path), **rotation)
        for number in range(3, 2000):
            log.write("stdout", b"%d\n" % number)
            if number % 400 == 0:  # some thirty files later
                await asyncio.sleep(0.001)
        log.close()

    assert numbers(gather(path, writer)) == list(range(2000))
    assert not list(path.parent.glob("*.follower-*"))


def test_what_a_killed_follower_kept_is_removed_at_the_next_rotation(path):
    folder = path.with_name(f"{path.name}.follower-dead")
    folder.mkdir()
    (folder / "1").write_bytes(b"old")
    write(path, 100, max_size_bytes=1000, max_files=2)
    assert not folder.exists()


def test_what_a_killed_follower_kept_is_removed_by_the_next_follower(path):
    write(path, 3)
    folder = path.with_name(f"{path.name}.follower-dead")
    folder.mkdir()

    async def writer():
        return

    gather(path, writer)
    assert not folder.exists()


def test_a_follower_that_reads_nothing_keeps_a_bounded_number_of_files(path, monkeypatch):
    monkeypatch.setattr(rotation, "LAG_FILES", 4)
    handover = Handover(path)
    write(path, 300, max_size_bytes=1000, max_files=2)
    (folder,) = path.parent.glob("*.follower-*")
    assert len(list(folder.iterdir())) == 4
    handover.close()


@pytest.fixture
def bytes_read(monkeypatch):
    sizes = []
    pread = os.pread

    def counting(fd, size, offset):
        data = pread(fd, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    return sizes


def big_log(path):
    log = LogFile(str(path))
    for start in range(0, 200_000, 1000):
        log.write("stdout", b"".join(b"%d\n" % n for n in range(start, start + 1000)))
    log.close()
    assert path.stat().st_size > 10_000_000


def test_tail_does_not_read_the_whole_file(path, bytes_read):
    big_log(path)
    assert numbers(read(path, tail=10)) == list(range(199_990, 200_000))
    assert sum(bytes_read) < 200_000


def test_tail_leaves_rotated_files_alone(path, bytes_read):
    write(path, 20_000, max_size_bytes=300_000, max_files=20)
    bytes_read.clear()
    assert numbers(read(path, tail=3)) == [19_997, 19_998, 19_999]
    assert sum(bytes_read) < 500_000


def test_since_does_not_read_the_whole_file(path, bytes_read):
    path.write_text(
        "".join(
            f'{{"log":"{n}\\n","stream":"stdout","time":"{format_ns(10**18 + n * 1000)}"}}\n'
            for n in range(100_000)
        )
    )
    assert numbers(read(path, since_ns=10**18 + 99_990_000)) == list(range(99_990, 100_000))
    assert sum(bytes_read) < 1_500_000
    bytes_read.clear()
    assert len(list(read(path, since_ns=10**18 + 50_000_500, until_ns=10**18 + 50_100_000))) == 100


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("first", [0, 1, 150, 299, 300])
def test_since_begins_in_the_right_file(path, first, compress):
    log = LogFile(str(path), max_size_bytes=3000, max_files=100, compress=compress)
    for number in range(300):
        log.write("stdout", b"%d\n" % number)
    log.close()
    times = [record.time_ns for record in read(path)]
    since = times[first] if first < 300 else times[-1] + 1
    assert numbers(read(path, since_ns=since)) == list(range(first, 300))
