"""Upload sessions below the endpoints: who may append, full disks, lost hash states."""

import errno
import hashlib
import os

import pytest

from sampan.hub.v2.errors import DigestInvalid, UploadInvalid
from sampan.hub.v2.uploads import VECTORS_MOST, Session


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def session(tmp_path):
    found = Session("id", 1, tmp_path / "id")
    yield found
    found.remove()


def test_pieces_are_kept_in_order(session):
    owner = session.take()
    pieces = [bytes([number % 251]) * 3 for number in range(VECTORS_MOST + 5)]
    session.append(owner, pieces)
    session.append(owner, [b"end"])
    content = b"".join(pieces) + b"end"
    assert (session.size, session.path.read_bytes()) == (len(content), content)
    session.check(owner, digest_of(content))


def test_a_later_request_takes_over(session):
    first = session.take()
    session.append(first, [b"one"])
    second = session.take()
    with pytest.raises(UploadInvalid):
        session.append(first, [b"lost"])
    with pytest.raises(UploadInvalid):
        session.check(first, digest_of(b"one"))
    session.release(first)  # changes nothing for the second
    session.append(second, [b"two"])
    session.check(second, digest_of(b"onetwo"))
    with pytest.raises(UploadInvalid):
        session.append(second, [b"after the end"])


def test_a_session_that_is_met_again_is_hashed_anew(session, tmp_path):
    session.append(session.take(), [b"before "])
    again = Session("id", 1, tmp_path / "id")
    owner = again.take()
    assert again.size == 7
    again.append(owner, [b"after"])
    with pytest.raises(DigestInvalid):
        again.check(owner, digest_of(b"after"))
    owner = again.take()
    again.check(owner, digest_of(b"before after"))


def test_sha512_is_checked_too(session):
    owner = session.take()
    session.append(owner, [b"x"])
    session.check(owner, "sha512:" + hashlib.sha512(b"x").hexdigest())


def test_a_full_disk_leaves_the_session_where_it_stood(session, monkeypatch):
    owner = session.take()
    session.append(owner, [b"good"])
    writev = os.writev

    def short(descriptor, pieces):
        return writev(descriptor, [pieces[0][:2]])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", short)
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            session.append(owner, [b"partly"])
    assert session.path.read_bytes() == b"good"
    session.append(owner, [b" again"])
    session.check(owner, digest_of(b"good again"))
