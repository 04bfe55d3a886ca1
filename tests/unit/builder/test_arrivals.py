"""Contexts that arrive file by file."""

import hashlib

import pytest

from sampan.builder.arrivals import Arrivals, UnknownFile
from sampan.errors import InvalidArgument, SampanError
from sampan.lib.tarstream import Entry, Kind


def content(tree, path):
    return b"".join(tree.data(tree.find(path)))


@pytest.fixture
def arrivals(tmp_path):
    return Arrivals(tmp_path)


def test_contents_may_come_mixed(arrivals):
    arrivals.announce(Entry(name="d", kind=Kind.DIRECTORY, mode=0o755))
    one = arrivals.announce(Entry(name="d/one", size_bytes=4, uid=7))
    two = arrivals.announce(Entry(name="two", size_bytes=2))
    assert (one, two) == (1, 2)
    arrivals.data(two, b"x")
    arrivals.data(one, b"ab")
    arrivals.data(two, b"y")
    arrivals.data(one, b"cd")
    arrivals.end(one)
    arrivals.end(two)
    with arrivals.tree() as tree:
        assert tree.names("") == ["d", "two"]
        assert (content(tree, "d/one"), content(tree, "two")) == (b"abcd", b"xy")
        assert tree.find("d/one").uid == 0
        assert tree.digest(tree.find("two")) == hashlib.sha256(b"xy").hexdigest()


def test_a_file_may_have_grown_or_shrunk(arrivals):
    grown = arrivals.announce(Entry(name="grown", size_bytes=2))
    shrunk = arrivals.announce(Entry(name="shrunk", size_bytes=9))
    for piece in (b"a", b"bc", b"d"):
        arrivals.data(grown, piece)
    arrivals.data(shrunk, b"z")
    arrivals.end(grown)
    arrivals.end(shrunk)
    with arrivals.tree() as tree:
        assert (content(tree, "grown"), content(tree, "shrunk")) == (b"abcd", b"z")
        assert tree.find("grown").size_bytes == 4


def test_hard_links_share_content(arrivals):
    first = arrivals.announce(Entry(name="a", size_bytes=1))
    assert arrivals.announce(Entry(name="b", kind=Kind.HARD_LINK, link="a")) is None
    arrivals.data(first, b"!")
    arrivals.end(first)
    with arrivals.tree() as tree:
        assert content(tree, "b") == b"!"
        assert tree.find("b").kind is Kind.REGULAR


@pytest.mark.parametrize("name", ["../x", "a/../../x"])
def test_names_that_lead_out_are_refused(arrivals, name):
    with pytest.raises(SampanError):
        arrivals.announce(Entry(name=name))
    arrivals.close()


def test_content_nobody_asked_for_is_refused(arrivals):
    with pytest.raises(UnknownFile):
        arrivals.data(0, b"x")
    with pytest.raises(InvalidArgument):
        arrivals.announce(Entry(name="b", kind=Kind.HARD_LINK, link="a"))
    arrivals.close()
