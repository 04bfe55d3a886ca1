# ruff: noqa: PTH208 - names are what is compared
import gzip
import io
import os
import threading

import pytest

from sampan.errors import DataLoss, InvalidArgument
from sampan.oci.digest import sha256_of
from sampan.store.decompress import Compression
from sampan.store.ingest import LayerIngest, ingest_layer


@pytest.fixture
def ingest(store):
    with store.leases.hold() as lease:
        yield LayerIngest(store.content, store.snapshotter, lease)


@pytest.fixture
def nothing_left(store, tmp_path):
    threads = threading.active_count()
    yield
    assert os.listdir(tmp_path / "snapshots") == ["empty"]
    assert os.listdir(tmp_path / "content/ingest") == []
    assert threading.active_count() == threads


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_layer_is_stored_hashed_and_extracted_in_one_go(store, ingest, make_tar, pack):
    plain = make_tar({"a": os.urandom(2_000_000), "b/c": b"x"})
    data = pack(plain)
    for start in range(0, len(data), 10_000):
        ingest.write(data[start : start + 10_000])
    layer = ingest.finish(sha256_of(data), len(data), sha256_of(plain))
    assert (layer.digest, layer.diff_id) == (sha256_of(data), sha256_of(plain))
    assert (layer.size_bytes, layer.usage.size_bytes) == (len(data), 2_000_001)
    assert store.content.read(layer.digest) == data
    assert (layer.stage.path / "b/c").read_text() == "x"
    ingest.abort()  # too late to change anything
    assert (layer.stage.path / "b/c").exists()
    store.snapshotter.drop_stage(layer.stage)


def test_try_write_says_no_instead_of_waiting(ingest, make_tar):
    data = make_tar({"a": bytes(64 << 20)})
    taken = at = 0
    while at < len(data):
        chunk = data[at : at + (1 << 20)]
        if ingest.try_write(chunk):
            taken += 1
        else:
            ingest.write(chunk)
        at += len(chunk)
    assert taken
    assert ingest.finish().usage.size_bytes == 64 << 20


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("data", [b"garbage" * 1000, gzip.compress(b"x" * 9000), b"\x1f\x8b\x08xx"])
def test_bad_layers_leave_nothing(store, data):
    with store.leases.hold() as lease, pytest.raises((InvalidArgument, DataLoss)):
        ingest_layer(io.BytesIO(data), store.content, store.snapshotter, lease)


@pytest.mark.usefixtures("nothing_left")
def test_a_truncated_layer_leaves_nothing(store, make_tar):
    data = gzip.compress(make_tar({"a": os.urandom(100_000)}))[:50_000]
    with store.leases.hold() as lease, pytest.raises(DataLoss, match="unexpected EOF"):
        ingest_layer(io.BytesIO(data), store.content, store.snapshotter, lease)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("wrong", [{"expected": sha256_of(b"")}, {"expected_size": 1}])
def test_a_wrong_digest_or_size_leaves_nothing(store, make_tar, wrong):
    with (
        store.leases.hold() as lease,
        LayerIngest(store.content, store.snapshotter, lease) as ingest,
    ):
        ingest.write(make_tar({"a": b"x"}))
        with pytest.raises(DataLoss):
            ingest.finish(**wrong)
    assert list(store.content.list()) == []


@pytest.mark.usefixtures("nothing_left")
def test_a_wrong_diff_id_leaves_no_stage(store, make_tar):
    with (
        store.leases.hold() as lease,
        LayerIngest(store.content, store.snapshotter, lease) as ingest,
    ):
        ingest.write(make_tar({"a": b"x"}))
        with pytest.raises(DataLoss, match="diff id"):
            ingest.finish(expected_diff_id=sha256_of(b""))


@pytest.mark.usefixtures("nothing_left")
def test_a_failed_layer_does_not_block_who_goes_on_writing(store):
    with (
        store.leases.hold() as lease,
        LayerIngest(store.content, store.snapshotter, lease) as ingest,
    ):
        with pytest.raises(InvalidArgument):
            for _ in range(1000):
                ingest.write(b"garbage" * 10_000)
        with pytest.raises(InvalidArgument):
            ingest.try_write(b"more")


@pytest.mark.usefixtures("nothing_left")
def test_leaving_early_leaves_nothing(store, make_tar):
    with (
        store.leases.hold() as lease,
        LayerIngest(store.content, store.snapshotter, lease) as ingest,
    ):
        ingest.write(make_tar({"a": b"x" * 100_000})[:50_000])
    ingest.abort()


def test_the_kind_of_compression_is_told(store, ingest, make_tar):
    ingest.write(gzip.compress(make_tar({})))
    assert ingest.finish().compression is Compression.GZIP


@pytest.mark.usefixtures("nothing_left")
def test_a_finished_layer_that_nobody_got_can_still_be_discarded(store, make_tar):
    with store.leases.hold() as lease:
        ingest = LayerIngest(store.content, store.snapshotter, lease)
        ingest.write(make_tar({"a": b"x"}))
        ingest.finish()
        ingest.discard()
