"""Files of a build on their way into a directory of the user's."""

import pytest

from sampan.client.buildkit.results import DirectorySink, FileSink
from sampan.errors import SampanError
from sampan.lib.tarstream import Entry, Kind


@pytest.fixture
def sink(tmp_path):
    made = DirectorySink(str(tmp_path / "out"))
    yield made
    made.close()


def test_files_get_content_mode_and_time(tmp_path):
    sink = DirectorySink(str(tmp_path / "out"))
    sink.announce(Entry(name="d", kind=Kind.DIRECTORY, mode=0o700, mtime_ns=5_000_000_000))
    index = sink.announce(Entry(name="d/f", mode=0o640, size_bytes=3, mtime_ns=7_000_000_000))
    sink.data(index, b"abc")
    sink.end(index)
    sink.announce(Entry(name="d/h", kind=Kind.HARD_LINK, link="d/f"))
    sink.announce(Entry(name="d/l", kind=Kind.SYMLINK, link="/etc/passwd"))
    sink.close()
    out = tmp_path / "out"
    assert (out / "d/f").read_bytes() == b"abc"
    assert (out / "d/f").stat().st_mode & 0o7777 == 0o640
    assert (out / "d/f").stat().st_mtime == 7
    assert (out / "d/h").stat().st_ino == (out / "d/f").stat().st_ino
    assert (out / "d").stat().st_mode & 0o7777 == 0o700
    assert (out / "d").stat().st_mtime == 5


def test_a_link_is_never_followed(sink, tmp_path):
    (tmp_path / "outside").mkdir()
    sink.announce(Entry(name="way", kind=Kind.SYMLINK, link=str(tmp_path / "outside")))
    with pytest.raises(OSError, match="way"):
        sink.announce(Entry(name="way/f", size_bytes=1))
    assert not list((tmp_path / "outside").iterdir())


def test_a_link_that_was_there_is_replaced_by_a_file(sink, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "out/f").symlink_to(victim)
    index = sink.announce(Entry(name="f", size_bytes=3))
    sink.data(index, b"new")
    sink.end(index)
    assert victim.read_text() == "untouched"
    assert (tmp_path / "out/f").read_text() == "new"


@pytest.mark.parametrize("name", ["../x", "a/../../x"])
def test_names_that_climb_are_refused(name, sink):
    with pytest.raises(SampanError):
        sink.announce(Entry(name=name, size_bytes=1))


def test_content_that_nobody_asked_for(sink):
    with pytest.raises(SampanError, match="not asked for"):
        sink.data(3, b"x")


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "x.tar"
    broken = FileSink(str(target))
    broken.write(b"half")
    broken.close()
    assert not list(tmp_path.iterdir())
    whole = FileSink(str(target))
    whole.write(b"all")
    assert not target.exists()
    whole.commit()
    whole.close()
    assert target.read_bytes() == b"all"
