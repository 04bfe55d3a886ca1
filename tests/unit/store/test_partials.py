"""Downloads that are gone on with: what is kept, for whom, and for how long."""

import gzip
import os
import time

import pytest

from sampan.errors import DataLoss
from sampan.oci.digest import encoded, sha256_of
from sampan.store import content_local
from sampan.store.ingest import LayerIngest

DATA = os.urandom(3 << 20)
DIGEST, SIZE = sha256_of(DATA), len(DATA)


@pytest.fixture
def partial(tmp_path):
    """Names of the partial downloads on the disk."""
    return lambda: {path.name for path in (tmp_path / "content/partial").iterdir()}


def leave(content, data, digest=DIGEST, size=SIZE):
    with content.resume(digest, size) as writer:
        writer.write(data)
        writer.keep()


def test_a_download_goes_on_where_it_stopped(store, partial):
    leave(store.content, DATA[: 2 << 20])
    assert partial() == {encoded(DIGEST)}
    with store.content.resume(DIGEST, len(DATA)) as writer:
        assert writer.kept_bytes == 2 << 20
        writer.take_kept(lambda: False)
        writer.write(DATA[2 << 20 :])
        assert writer.commit(DIGEST, len(DATA)).digest == DIGEST
    assert store.content.read(DIGEST) == DATA
    assert partial() == set()


@pytest.mark.parametrize("size", [1000, 0])
def test_little_isnt_worth_keeping(store, partial, size):
    leave(store.content, DATA[:size])
    assert partial() == set()


def test_what_isnt_kept_is_gone(store, partial):
    leave(store.content, DATA[: 2 << 20])
    with store.content.resume(DIGEST, len(DATA)) as writer:
        writer.take_kept(lambda: False)
        writer.write(bytes(1 << 20))
        with pytest.raises(DataLoss):
            writer.commit(DIGEST)
    assert partial() == set()


def test_more_than_the_blob_has_is_dropped(store):
    leave(store.content, DATA)
    with store.content.resume(DIGEST, 2 << 20) as writer:
        assert writer.kept_bytes == 0


def test_a_second_writer_has_a_file_of_its_own(store, partial):
    with store.content.resume(DIGEST, len(DATA)) as one:
        one.write(DATA[: 2 << 20])
        with store.content.resume(DIGEST, len(DATA)) as two:
            assert two.kept_bytes == 0
            two.write(DATA)
            two.keep()  # which means nothing here
        one.keep()
    assert partial() == {encoded(DIGEST)}
    with store.content.resume(DIGEST, len(DATA)) as writer:
        assert writer.kept_bytes == 2 << 20


def test_old_ones_and_too_many_are_cleaned(store, partial, tmp_path, monkeypatch):
    blobs = [os.urandom(2 << 20) for _ in range(4)]
    names = [encoded(sha256_of(blob)) for blob in blobs]
    for number, blob in enumerate(blobs):
        leave(store.content, blob, sha256_of(blob), len(blob))
        path = tmp_path / "content/partial" / names[number]
        age_s = content_local.PARTIAL_AGE_S + 1 if number == 0 else number
        os.utime(path, times=(time.time() - age_s,) * 2)
    monkeypatch.setattr(content_local, "PARTIAL_TOTAL_BYTES", 5 << 20)
    with store.content.resume(sha256_of(blobs[3]), len(blobs[3])) as writer:  # the older of three
        store.content.clean_partial()
        assert partial() == set(names[1:])
        writer.keep()
    store.content.clean_partial()
    assert partial() == set(names[1:3])


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, 1)])
def test_a_suspended_layer_is_finished_by_the_next(store, make_tar, partial, tmp_path, pack):
    plain = make_tar({"a": os.urandom(6 << 20), "b": b"x"})
    data = pack(plain)
    digest, half = sha256_of(data), len(data) // 2
    with store.leases.hold() as lease:
        first = LayerIngest(store.content, store.snapshotter, lease, (digest, len(data)))
        assert first.kept_bytes == 0
        first.write(data[:half])
        first.suspend()
        assert partial() == {encoded(digest)}
        assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["empty"]
        second = LayerIngest(store.content, store.snapshotter, lease, (digest, len(data)))
        assert second.kept_bytes == half
        second.write(data[half:])
        layer = second.finish(digest, len(data), sha256_of(plain))
    assert store.content.read(digest) == data
    assert (layer.stage.path / "b").read_text() == "x"
    assert partial() == set()
    store.snapshotter.drop_stage(layer.stage)


def test_a_suspended_resumption_keeps_what_there_was(store, make_tar, partial):
    data = make_tar({"a": DATA})
    digest = sha256_of(data)
    leave(store.content, data[: 2 << 20], digest, len(data))
    with store.leases.hold() as lease:
        ingest = LayerIngest(store.content, store.snapshotter, lease, (digest, len(data)))
        ingest.suspend()
    assert partial() == {encoded(digest)}
    with store.content.resume(digest, len(data)) as writer:
        assert writer.kept_bytes == 2 << 20
