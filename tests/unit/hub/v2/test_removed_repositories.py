"""A repository that is removed while something is pushed to it: 404, and nothing is left behind."""

import os
import threading

import pytest
from sqlalchemy import delete, func, select

from sampan.hub.db.schema import blobs, repositories, uploads
from sampan.hub.storage.filesystem import FilesystemDriver
from unit.hub.running import RunningRegistry, digest_of
from unit.hub.whole import Tool, WholeHub

CONTENT = os.urandom(5000)


class Interrupted(FilesystemDriver):
    """`after` runs behind each put: between the two transactions of a commit."""

    after = staticmethod(lambda: None)

    def put(self, digest, staged):
        super().put(digest, staged)
        self.after()


@pytest.fixture
def hub(tmp_path):
    with RunningRegistry(tmp_path, storage=Interrupted(tmp_path)) as running:
        yield running


def _remove(hub):
    hub.database.write_now(lambda connection: connection.execute(delete(repositories)))


def _left(hub):
    def count(connection):
        tables = (blobs, uploads, repositories)
        return [
            connection.execute(select(func.count()).select_from(each)).scalar_one()
            for each in tables
        ]

    return hub.database.read_now(count), list(hub.storage.list()), list(hub.staging.iterdir())


NOTHING = ([0, 0, 0], [], [])


def test_while_a_session_is_finished(hub):
    place = hub.start()
    hub.call("PATCH", place, CONTENT)
    hub.storage.after = lambda: _remove(hub)
    answer = hub.call("PUT", f"{place}?digest={digest_of(CONTENT)}")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
    assert _left(hub) == NOTHING


def test_while_a_blob_comes_in_one_request(hub):
    hub.storage.after = lambda: _remove(hub)
    path = f"/v2/team/app/blobs/uploads/?digest={digest_of(CONTENT)}"
    answer = hub.call("POST", path, CONTENT)
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
    assert _left(hub) == NOTHING
    hub.storage.after = lambda: None
    hub.push_blob(CONTENT)


def test_bytes_that_others_have_stay(hub):
    """The same blob, elsewhere: it was live before."""
    hub.push_blob(CONTENT, "crew/app")
    place = hub.start()
    hub.call("PATCH", place, CONTENT)
    hub.database.write_now(
        lambda connection: connection.execute(
            delete(repositories).where(repositories.c.name == "app", repositories.c.id == 2)
        )
    )
    assert hub.call("PUT", f"{place}?digest={digest_of(CONTENT)}").status == 404
    path = f"/v2/crew/app/blobs/{digest_of(CONTENT)}"
    assert hub.call("GET", path).body == CONTENT


def test_bytes_that_another_push_brings_at_the_same_time_stay(hub):
    """Two of the same digest; the first one's repository goes between its two transactions."""
    digest = digest_of(CONTENT)
    second = {}
    turn = threading.Lock()

    def after():
        if not turn.acquire(blocking=False):
            return
        path = f"/v2/crew/app/blobs/uploads/?digest={digest}"
        second["thread"] = threading.Thread(
            target=lambda: second.update(answer=hub.call("POST", path, CONTENT))
        )
        second["thread"].start()
        second["thread"].join()
        hub.database.write_now(
            lambda connection: connection.execute(
                delete(repositories).where(repositories.c.id == 1)
            )
        )

    hub.storage.after = after
    path = f"/v2/team/app/blobs/uploads/?digest={digest}"
    assert hub.call("POST", path, CONTENT).status == 404
    assert second["answer"].status == 201
    assert hub.call("GET", f"/v2/crew/app/blobs/{digest}").body == CONTENT


def test_while_its_bytes_arrive(tmp_path):
    """By the HTTP API, with a chunk half sent: the bytes go with the repository."""
    with WholeHub(tmp_path) as hub:
        hub.user("alice", admin=True)
        tool = Tool(hub, "alice")
        header = hub.token("repository:alice/app:pull,push", who="alice")
        started = hub.call("POST", "/v2/alice/app/blobs/uploads/", Authorization=header)
        idle = hub.call("POST", "/v2/alice/app/blobs/uploads/", Authorization=header)
        place = started.headers["Location"]
        assert hub.call("PATCH", idle.headers["Location"], b"x", Authorization=header).status == 202
        gone = threading.Event()

        def body():
            yield CONTENT
            assert tool.call("DELETE", "/v2/repositories/alice/app").status == 202
            gone.set()
            yield CONTENT

        answer = hub.call("PATCH", place, body(), Authorization=header)
        assert gone.is_set()
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
        assert not list((tmp_path / "staging").iterdir())
        answer = hub.call("PUT", f"{place}?digest={digest_of(CONTENT)}", Authorization=header)
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
        assert hub.call("GET", "/v2/alice/app/tags/list", Authorization=header).status == 404
