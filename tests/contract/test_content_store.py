"""What every content store must do; each implementation is one parameter."""

import threading

import pytest

from sampan.errors import DataLoss, InvalidArgument, NotFound
from sampan.oci.digest import sha256_of
from sampan.store.content_local import LocalContentStore


@pytest.fixture(params=[LocalContentStore])
def content(request, tmp_path):
    return request.param(tmp_path / "content")


def test_what_is_put_can_be_read_by_its_digest(content):
    info = content.put(b"hello")
    assert (info.digest, info.size_bytes) == (sha256_of(b"hello"), 5)
    assert content.read(info.digest) == b"hello"
    assert content.has(info.digest)
    assert content.size(info.digest) == 5
    with content.open(info.digest) as blob:
        assert blob.read() == b"hello"
    assert list(content.list()) == [info.digest]


def test_commit_rejects_wrong_digest(content):
    other = sha256_of(b"other")
    with content.writer() as writer:
        writer.write(b"data")
        with pytest.raises(DataLoss):
            writer.commit(other)
    with pytest.raises(DataLoss):
        content.put(b"data", other)
    assert list(content.list()) == []


def test_commit_rejects_wrong_size(content):
    with content.writer() as writer:
        writer.write(b"data")
        with pytest.raises(DataLoss):
            writer.commit(None, 5)
    assert list(content.list()) == []


def test_leaving_without_commit_leaves_nothing(content):
    with content.writer() as writer:
        writer.write(b"data")
    assert list(content.list()) == []


def test_a_digest_is_not_there_before_its_commit(content):
    with content.writer() as writer:
        writer.write(b"data")
        assert not content.has(writer.digest)
        writer.commit()
        assert content.has(writer.digest)


def test_missing_blobs_are_not_found(content):
    digest = sha256_of(b"nothing")
    for action in (content.open, content.read, content.size, content.committed_ns):
        with pytest.raises(NotFound):
            action(digest)
    assert not content.has(digest)
    content.remove(digest)


def test_digests_that_are_paths_are_refused(content):
    for text in ("sha256:../../etc/passwd", "../x", ""):
        with pytest.raises(InvalidArgument):
            content.path(text)


def test_two_writers_of_one_blob_both_succeed(content):
    with content.writer() as one, content.writer() as two:
        one.write(b"same")
        two.write(b"same")
        assert one.commit() == two.commit()
    assert content.read(sha256_of(b"same")) == b"same"


def test_many_threads(content):
    def work(number):
        for count in range(5):
            content.put(b"%d" % (number * count))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for digest in content.list():
        assert sha256_of(content.read(digest)) == digest


def test_what_a_dead_process_left_is_cleaned_at_start(content, tmp_path):
    writer = content.writer()
    writer.write(b"half")
    content.put(b"whole")
    content.clean_ingest()
    writer.__exit__(None, None, None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        content.path(sha256_of(b"whole"))
    ]
