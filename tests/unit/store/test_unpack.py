# ruff: noqa: PTH208 - names are what is compared
import gzip
import os
import threading

import pytest

from sampan.errors import DataLoss, InvalidArgument, NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import chain_ids, sha256_of


@pytest.fixture
def put(store):
    """Store a layer's blob; returns its descriptor and diff id."""

    def make(plain):
        packed = gzip.compress(plain)
        digest = store.content.put(packed).digest
        return Descriptor(mediaType="l", digest=digest, size=len(packed)), sha256_of(plain)

    return make


@pytest.fixture
def unpack(store):
    def run(diff_ids, layers, **facts):
        with store.leases.hold() as lease:
            return store.unpacker.ensure_unpacked(diff_ids, layers, lease=lease, **facts)

    return run


def test_missing_layers_are_extracted_and_present_ones_reused(store, unpack, put, make_tar):
    one, first = put(make_tar({"a": b"1"}))
    two, second = put(make_tar({"b": b"22"}))
    assert unpack([first], [one]).size_bytes == 1
    store.content.remove(one.digest)  # nobody reads it again
    assert unpack([first, second], [one, two]).size_bytes == 3
    top = chain_ids([first, second])[-1]
    assert [path.name for path in store.snapshotter.lowers(top)] == ["fs"]
    assert (store.snapshotter.upper(top) / "b").read_text() == "22"


def test_equal_layers_in_one_stack(store, unpack, put, make_tar):
    layer, diff_id = put(make_tar({"a": b"1"}))
    unpack([diff_id] * 3, [layer] * 3)
    assert len(store.snapshotter.lowers(chain_ids([diff_id] * 3)[-1])) == 2


def test_a_wrong_diff_id_commits_nothing(store, unpack, put, make_tar, tmp_path):
    one, first = put(make_tar({"a": b"1"}))
    two, _ = put(make_tar({"b": b"2"}))
    with pytest.raises(DataLoss, match="diff id"):
        unpack([first, sha256_of(b"other")], [one, two])
    assert list(store.snapshotter.walk()) == []
    assert os.listdir(tmp_path / "snapshots") == ["empty"]


def test_a_missing_blob_commits_nothing(store, unpack, put, make_tar, tmp_path):
    one, first = put(make_tar({"a": b"1"}))
    gone = Descriptor(mediaType="l", digest=sha256_of(b"gone"), size=1)
    with pytest.raises(NotFound):
        unpack([first, sha256_of(b"x")], [one, gone])
    assert os.listdir(tmp_path / "snapshots") == ["empty"]


def test_counts_must_agree(unpack, put, make_tar):
    one, first = put(make_tar({}))
    with pytest.raises(InvalidArgument, match="don't match image configuration"):
        unpack([first, first], [one])


def test_an_image_without_layers_has_nothing_to_unpack(unpack):
    assert unpack([], []).size_bytes == 0


def test_many_callers_of_one_chain_make_one(store, put, make_tar, tmp_path):
    parts = [put(make_tar({str(number): bytes(5000)})) for number in range(4)]
    layers, diff_ids = [part[0] for part in parts], [part[1] for part in parts]
    failures = []

    def work():
        try:
            with store.leases.hold() as lease:
                store.unpacker.ensure_unpacked(diff_ids, layers, lease=lease)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(os.listdir(tmp_path / "snapshots")) == 5


def test_progress_names_the_layer(unpack, put, make_tar):
    layer, diff_id = put(make_tar({"a": bytes(1000)}))
    seen = []
    unpack([diff_id], [layer], on_progress=lambda which, done: seen.append((which, done)))
    assert seen[-1] == (layer, layer.size)
