"""Garbage collection: what it takes, what it leaves, and what a push under way keeps."""

import json
import os
import threading
import time

import pytest
from sqlalchemy import select, update

from sampan.hub.db.schema import ARRIVING, DELETING, LIVE, blobs
from sampan.hub.v2 import blobs as blobs_module
from unit.hub.running import (
    INDEX,
    LEASE_S,
    MANIFEST,
    RunningRegistry,
    descriptor,
    digest_of,
)

SECOND_NS = 1_000_000_000


@pytest.fixture
def hub(tmp_path):
    with RunningRegistry(tmp_path) as running:
        yield running


class Later:
    """A clock that is so many leases ahead; `reach` lets a test do things in the middle."""

    def __init__(self, leases: float = 1.5) -> None:
        self.offset_ns = int(leases * LEASE_S * SECOND_NS)

    def __call__(self) -> int:
        return time.time_ns() + self.offset_ns


def blob_files(hub) -> set[str]:
    return {blob.digest for blob in hub.storage.list()}


def states(hub) -> dict[str, str]:
    rows = hub.database.read_now(lambda c: c.execute(select(blobs.c.digest, blobs.c.state)).all())
    return {row.digest: row.state for row in rows}


def test_what_a_tag_leads_to_stays(hub):
    hub.push_image("1", b"kept")
    stray = hub.push_blob(b"stray")
    before = blob_files(hub)
    preview = hub.collector(Later()).preview()
    assert (preview.links, preview.blobs) == (1, 0)
    found = hub.collector(Later(3)).collect()
    assert (found.manifests, found.links, found.blobs, found.size_bytes) == (0, 1, 1, 5)
    assert blob_files(hub) == before - {stray} == set(states(hub))
    assert hub.call("GET", f"/v2/team/app/blobs/{digest_of(b'kept')}").body == b"kept"
    assert hub.call("HEAD", f"/v2/team/app/blobs/{stray}").status == 404


def test_nothing_goes_before_its_time(hub):
    stray = hub.push_blob(b"stray")
    hub.push_image("", b"untagged")
    found = hub.collector(Later(0.5)).collect()
    assert (found.manifests, found.links, found.blobs) == (0, 0, 0)
    assert hub.call("HEAD", f"/v2/team/app/blobs/{stray}").status == 200


def test_untagged_images_go_whole_and_only_if_asked(hub):
    digest = hub.push_image("1", b"old layer")
    hub.push_image("1", b"new layer")
    kept = hub.collector(Later(), untagged_s=0).collect()
    assert kept.manifests == 0
    assert hub.call("GET", f"/v2/team/app/manifests/{digest}").status == 200
    assert hub.collector(Later()).preview().manifests == 1
    found = hub.collector(Later()).collect()
    assert (found.manifests, found.blobs) == (1, 1)
    assert hub.call("GET", f"/v2/team/app/manifests/{digest}").status == 404
    assert hub.call("GET", f"/v2/team/app/blobs/{digest_of(b'new layer')}").status == 200
    assert digest_of(b"old layer") not in blob_files(hub)


def test_children_of_an_index_and_referrers_live_as_long_as_it(hub):
    child = hub.image(b"child")
    payload = json.dumps(child).encode()
    hub.push_manifest(child)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(payload, MANIFEST)]}
    digest = hub.push_manifest(index, "multi")
    subject = {"mediaType": INDEX, "digest": digest, "size": 1}
    signature = hub.push_image("", b"signature", subject=subject)
    assert hub.collector(Later()).collect().manifests == 0
    assert hub.call("GET", f"/v2/team/app/manifests/{signature}").status == 200
    hub.call("DELETE", "/v2/team/app/manifests/multi")
    found = hub.collector(Later()).collect()
    assert (found.manifests, found.blobs) == (3, 3)
    assert blob_files(hub) == set()


def test_deleted_repository_frees_its_blobs_unless_others_have_them(hub):
    from sqlalchemy import delete

    from sampan.hub.db.schema import repositories

    hub.push_image("1", b"shared", name="team/one")
    hub.push_image("1", b"shared", name="team/two")
    own = hub.push_blob(b"own", "team/one")
    gone = delete(repositories).where(repositories.c.name == "one")
    hub.database.write_now(lambda c: c.execute(gone))
    assert hub.collector(Later()).collect().blobs == 1
    assert own not in blob_files(hub)
    assert hub.call("GET", f"/v2/team/two/blobs/{digest_of(b'shared')}").body == b"shared"


@pytest.mark.parametrize("rely", ["head", "mount", "push again"])
def test_who_relies_on_an_old_blob_keeps_it(hub, rely):
    """The lease is renewed by every way in which a push leaves a blob out."""
    digest = hub.push_blob(b"old")
    age(hub, digest, 5)
    if rely == "head":
        assert hub.call("HEAD", f"/v2/team/app/blobs/{digest}").status == 200
    elif rely == "mount":
        path = f"/v2/team/new/blobs/uploads/?mount={digest}&from=team/app"
        assert hub.call("POST", path).status == 201
    else:
        hub.push_blob(b"old")
    hub.collector(Later(0.5)).collect()
    name = "team/new" if rely == "mount" else "team/app"
    assert hub.call("GET", f"/v2/{name}/blobs/{digest}").body == b"old"


def age(hub, digest: str, leases: float) -> None:
    from sampan.hub.db.schema import repository_blobs

    then = time.time_ns() - int(leases * LEASE_S * SECOND_NS)
    for table in (blobs, repository_blobs):
        change = update(table).where(table.c.digest == digest).values(touched_ns=then)
        hub.database.write_now(lambda c, change=change: c.execute(change))


def test_aged_blob_goes_if_nobody_relies_on_it(hub):
    digest = hub.push_blob(b"old")
    age(hub, digest, 5)
    assert hub.collector(Later(0)).collect().blobs == 1
    assert digest not in blob_files(hub)


def test_push_of_a_blob_that_is_being_removed_waits_and_wins(hub):
    digest = hub.push_blob(b"back again")
    age(hub, digest, 5)
    removing, go_on = threading.Event(), threading.Event()
    remove = hub.storage.remove

    def slowly(wanted: str) -> None:
        removing.set()
        assert go_on.wait(10)
        remove(wanted)

    hub.storage.remove = slowly
    collecting = threading.Thread(target=hub.collector(Later(0)).collect)
    collecting.start()
    assert removing.wait(10)
    assert states(hub)[digest] == DELETING
    assert hub.call("HEAD", f"/v2/team/app/blobs/{digest}").status == 404
    path = f"/v2/team/other/blobs/uploads/?mount={digest}&from=team/app"
    assert hub.call("POST", path).status == 202
    waiting = threading.Event()
    wait = blobs_module.Blobs._wait_for_sweep

    def noted(self) -> None:
        waiting.set()
        wait(self)

    blobs_module.Blobs._wait_for_sweep = noted
    try:
        pushing = threading.Thread(target=hub.push_blob, args=(b"back again",))
        pushing.start()
        assert waiting.wait(10)
        go_on.set()
        pushing.join()
        collecting.join()
    finally:
        blobs_module.Blobs._wait_for_sweep = wait
    assert states(hub)[digest] == LIVE
    assert hub.call("GET", f"/v2/team/app/blobs/{digest}").body == b"back again"


def test_a_killed_collection_is_finished_by_the_next(hub):
    digest = hub.push_blob(b"half gone")
    change = update(blobs).where(blobs.c.digest == digest).values(state=DELETING)
    hub.database.write_now(lambda c: c.execute(change))
    from sqlalchemy import delete

    from sampan.hub.db.schema import repository_blobs

    hub.database.write_now(lambda c: c.execute(delete(repository_blobs)))
    hub.collector(Later(0)).collect()
    assert states(hub) == {}
    assert blob_files(hub) == set()


def test_a_claim_that_nobody_went_on_with_is_removed(hub):
    digest = hub.push_blob(b"claimed")
    from sqlalchemy import delete

    from sampan.hub.db.schema import repository_blobs

    hub.database.write_now(lambda c: c.execute(delete(repository_blobs)))
    change = update(blobs).where(blobs.c.digest == digest).values(state=ARRIVING)
    hub.database.write_now(lambda c: c.execute(change))
    hub.collector(Later(0.5)).collect()
    assert states(hub) == {digest: ARRIVING}
    hub.collector(Later()).collect()
    assert states(hub) == {}


def test_bytes_that_no_row_knows_are_removed_when_old(hub):
    stray, new = hub.root / "stray", hub.root / "new"
    for path in (stray, new):
        path.write_bytes(path.name.encode())
        hub.storage.put(digest_of(path.name.encode()), path)
    then = time.time() - 5 * LEASE_S
    os.utime(hub.storage.local_path(digest_of(b"stray")), (then, then))
    hub.collector(Later(0)).collect()
    assert blob_files(hub) == {digest_of(b"new")}
    assert states(hub) == {}


def test_old_uploads_go_and_fresh_ones_stay(hub):
    old, fresh = hub.start(), hub.start()
    hub.call("PATCH", old, b"old")
    hub.call("PATCH", fresh, b"fresh")
    then = time.time() - 3 * LEASE_S
    os.utime(hub.staging / old.rpartition("/")[2], (then, then))
    leftover = hub.staging / "leftover"
    leftover.write_bytes(b"of a crash")
    os.utime(leftover, (then, then))
    assert hub.collector(Later(0)).preview().uploads == 2
    hub.collector(Later(0)).collect()
    assert [path.name for path in hub.staging.iterdir()] == [fresh.rpartition("/")[2]]
    answer = hub.call("PUT", f"{fresh}?digest={digest_of(b'fresh')}")
    assert answer.status == 201


def test_pushing_again_mends_a_lost_file(hub):
    digest = hub.push_blob(b"lost")
    hub.storage.remove(digest)
    assert hub.call("GET", f"/v2/team/app/blobs/{digest}").status == 500
    hub.push_blob(b"lost")
    assert hub.call("GET", f"/v2/team/app/blobs/{digest}").body == b"lost"
