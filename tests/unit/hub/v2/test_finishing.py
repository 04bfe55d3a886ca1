"""The end of an upload: what was checked is what becomes the blob, whatever comes between."""

import pytest

from sampan.errors import Unavailable
from sampan.hub.storage.filesystem import FilesystemDriver
from sampan.hub.v2.errors import UploadInvalid, UploadUnknown
from sampan.hub.v2.uploads import Session
from unit.hub.running import RunningRegistry, digest_of

CONTENT = b"what was checked" * 50


class Interrupted(FilesystemDriver):
    """`before` and `after` run around each put."""

    before = after = staticmethod(lambda: None)

    def put(self, digest, staged):
        self.before()
        super().put(digest, staged)
        self.after()


@pytest.fixture
def hub(tmp_path):
    with RunningRegistry(tmp_path, storage=Interrupted(tmp_path)) as running:
        yield running


def test_nothing_is_appended_after_the_check(hub):
    place, digest, answers = hub.start(), digest_of(CONTENT), []
    hub.call("PATCH", place, CONTENT)
    hub.storage.before = lambda: answers.append(hub.call("PATCH", place, b"more"))
    assert hub.call("PUT", f"{place}?digest={digest}").status == 201
    assert answers[0].status == 400
    assert hub.storage.local_path(digest).read_bytes() == CONTENT
    assert hub.call("GET", f"/v2/team/app/blobs/{digest}").body == CONTENT


def test_finishing_again_after_a_failure_behind_the_put(hub):
    """The bytes are in their place, the record isn't: an empty file mustn't go over them."""

    def fail():
        raise Unavailable("the database is away")

    place, digest = hub.start(), digest_of(CONTENT)
    hub.call("PATCH", place, CONTENT)
    hub.storage.after = fail
    assert hub.call("PUT", f"{place}?digest={digest}").status == 503
    hub.storage.after = lambda: None
    again = hub.call("PUT", f"{place}?digest={digest}")
    assert (again.status, again.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert hub.storage.local_path(digest).read_bytes() == CONTENT
    hub.push_blob(CONTENT)
    assert hub.call("GET", f"/v2/team/app/blobs/{digest}").body == CONTENT


def test_finishing_again_after_a_failure_before_the_put(hub):
    def fail():
        raise Unavailable("the disk is away")

    place, digest = hub.start(), digest_of(CONTENT)
    hub.call("PATCH", place, CONTENT)
    hub.storage.before = fail
    assert hub.call("PUT", f"{place}?digest={digest}").status == 503
    hub.storage.before = lambda: None
    assert hub.call("PUT", f"{place}?digest={digest}").status == 201
    assert hub.call("GET", f"/v2/team/app/blobs/{digest}").body == CONTENT


def test_a_checked_session_belongs_to_nobody_else(tmp_path):
    session = Session("id", 1, tmp_path / "id")
    owner = session.take()
    session.append(owner, [CONTENT])
    session.check(owner, digest_of(CONTENT))
    assert not session.is_idle, "it would be met again by its file, as another session"
    with pytest.raises(UploadInvalid):
        session.take()
    session.reopen()
    session.path.unlink()
    with pytest.raises(UploadUnknown):
        session.check(session.take(), digest_of(CONTENT))
