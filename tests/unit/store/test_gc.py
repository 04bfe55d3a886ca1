# ruff: noqa: PTH208 - names are what is compared
import os

import pytest

from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import chain_ids, sha256_of
from sampan.oci.image_config import ImageSpec, RootFS
from sampan.store import leases as leases_module
from sampan.store.gc import Collector


@pytest.fixture(autouse=True)
def exact_clock(monkeypatch):
    monkeypatch.setattr(leases_module, "CLOCK_SLACK_NS", -(10**12))  # no cover by age


@pytest.fixture
def active():
    return set()


@pytest.fixture
def collector(store, active):
    return Collector(
        content=store.content,
        snapshotter=store.snapshotter,
        images=store.images,
        leases=store.leases,
        active=lambda: active,
    )


@pytest.fixture
def image(store, make_tar):
    def make(*contents):
        plains = [make_tar({"f": text}) for text in contents]
        layers = [
            Descriptor(mediaType="l", digest=store.content.put(plain).digest, size=len(plain))
            for plain in plains
        ]
        diff_ids = tuple(sha256_of(plain) for plain in plains)
        spec = ImageSpec(rootfs=RootFS(diff_ids=diff_ids))
        with store.leases.hold() as lease:
            usage = store.unpacker.ensure_unpacked(diff_ids, layers, lease=lease)
            return store.images.add(image_config.encode(spec), layers, size_bytes=usage.size_bytes)

    return make


def keys(store):
    return {snapshot.key for snapshot in store.snapshotter.walk()}


def test_what_images_refer_to_stays(store, collector, image):
    image(b"1", b"2")
    before = set(store.content.list()), keys(store)
    assert collector.collect().freed_bytes == 0
    assert (set(store.content.list()), keys(store)) == before


def test_what_only_a_removed_image_used_goes(store, collector, image, tmp_path):
    kept, gone = image(b"base", b"1"), image(b"base", b"two")
    store.images.remove(gone.id)
    done = collector.collect()
    assert (done.blobs, done.snapshots) == (2, 1)
    assert done.freed_bytes > 3
    assert keys(store) == set(chain_ids(kept.spec.rootfs.diff_ids))
    store.images.remove(kept.id)
    collector.collect()
    assert list(store.content.list()) == []
    assert os.listdir(tmp_path / "snapshots") == ["empty"]


def test_active_snapshots_in_use_keep_their_layers(store, collector, image, active):
    found = image(b"1", b"2")
    store.snapshotter.prepare("container", found.chain_id)
    store.snapshotter.prepare("forgotten", found.chain_id)
    active.add("container")
    store.images.remove(found.id)
    collector.collect()
    assert keys(store) == {"container", *chain_ids(found.spec.rootfs.diff_ids)}
    active.clear()
    collector.collect()
    assert keys(store) == set()


def test_leases_keep_content_and_snapshots_until_they_end(store, collector, image):
    found = image(b"1")
    store.images.remove(found.id)
    with store.leases.hold() as lease:
        lease.add_content(found.id)
        lease.add_snapshot(found.chain_id)
        collector.collect()
        assert list(store.content.list()) == [found.id]
        assert keys(store) == {found.chain_id}
    collector.collect()
    assert list(store.content.list()) == []
    assert keys(store) == set()


def test_what_is_younger_than_a_lease_is_kept_for_it(store, collector, monkeypatch):
    monkeypatch.setattr(leases_module, "CLOCK_SLACK_NS", 10**9)
    with store.leases.hold():
        digest = store.content.put(b"new").digest
        collector.collect()
        assert store.content.has(digest)


def test_a_lease_that_ends_during_a_collection_still_counts(store, collector, image, monkeypatch):
    """The image is added after the roots were read, and its lease ends before the sweep."""
    found = image(b"1")
    store.images.remove(found.id)
    config = store.content.read(found.id)
    lease_context = store.leases.hold()
    lease = lease_context.__enter__()
    for digest in (found.id, found.layers[0].digest):
        lease.add_content(digest)
    lease.add_snapshot(found.chain_id)
    mark = collector._mark

    def mark_then_finish():
        roots = mark()
        store.images.add(config, found.layers, size_bytes=1)
        lease_context.__exit__(None, None, None)
        return roots

    monkeypatch.setattr(collector, "_mark", mark_then_finish)
    collector.collect()
    assert store.content.has(found.layers[0].digest)
    assert keys(store) == {found.chain_id}
