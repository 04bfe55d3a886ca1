"""What every storage driver of the hub keeps: files, and S3 against a server that speaks it."""

import hashlib
import socket
import time

import pytest

from sampan.hub.storage.driver import BlobMissing
from sampan.hub.storage.filesystem import FilesystemDriver
from sampan.hub.storage.s3 import PART_BYTES, S3Driver, StoreFailed
from unit.hub.running import LEASE_S, RunningRegistry


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def s3_endpoint():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint, monkeypatch, tmp_path):
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    bucket = f"b{time.monotonic_ns()}"
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    client.close()
    return f"s3://{bucket}/some/prefix"


@pytest.fixture(params=["files", "s3"])
def driver(request, tmp_path):
    if request.param == "files":
        return FilesystemDriver(tmp_path / "root")
    url = request.getfixturevalue("s3")
    return S3Driver(url, endpoint=request.getfixturevalue("s3_endpoint"))


def put(driver, tmp_path, content: bytes) -> str:
    staged = tmp_path / "staged"
    staged.write_bytes(content)
    driver.put(digest_of(content), staged)
    assert not staged.exists()
    return digest_of(content)


def read(driver, digest: str, start: int, end: int) -> bytes:
    with driver.open(digest, start, end) as stream:
        found = b""
        while len(found) < end - start and (piece := stream.read(end - start - len(found))):
            found += piece
        return found


def test_what_was_put_is_read_back_in_parts(driver, tmp_path):
    digest = put(driver, tmp_path, b"0123456789")
    assert driver.find_size(digest) == 10
    assert read(driver, digest, 0, 10) == b"0123456789"
    assert read(driver, digest, 3, 7) == b"3456"
    assert read(driver, digest, 9, 10) == b"9"


def test_a_local_path_is_the_blob(driver, tmp_path):
    digest = put(driver, tmp_path, b"file")
    path = driver.local_path(digest)
    assert path is None or path.read_bytes() == b"file"


def test_empty_and_twice(driver, tmp_path):
    empty = put(driver, tmp_path, b"")
    assert driver.find_size(empty) == 0
    put(driver, tmp_path, b"twice")
    digest = put(driver, tmp_path, b"twice")
    assert read(driver, digest, 0, 5) == b"twice"


def test_what_is_missing(driver):
    digest = digest_of(b"missing")
    assert driver.find_size(digest) is None
    with pytest.raises(BlobMissing), driver.open(digest, 0, 1):
        pass


def test_remove_is_idempotent(driver, tmp_path):
    digest = put(driver, tmp_path, b"gone")
    driver.remove(digest)
    driver.remove(digest)
    assert driver.find_size(digest) is None
    assert list(driver.list()) == []


def test_list(driver, tmp_path):
    before = time.time_ns()
    contents = [b"one", b"two", b"three"]
    digests = {put(driver, tmp_path, content): len(content) for content in contents}
    found = list(driver.list())
    assert {blob.digest: blob.size for blob in found} == digests
    # object stores keep whole seconds
    assert all(before - 2 * 10**9 <= blob.modified_ns for blob in found)


def test_large_blob(driver, tmp_path):
    """More than one part."""
    content = bytes(range(256)) * (PART_BYTES // 256) + b"tail"
    digest = put(driver, tmp_path, content)
    assert driver.find_size(digest) == len(content)
    assert read(driver, digest, PART_BYTES - 2, PART_BYTES + 4) == content[-6:]


def test_an_unreachable_store_is_unavailable(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        driver = S3Driver("s3://bucket", endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StoreFailed):
            driver.find_size(digest_of(b""))


def test_a_registry_serves_from_it(driver, tmp_path):
    root = tmp_path / "hub"
    root.mkdir()
    with RunningRegistry(root, storage=driver) as hub:
        content = bytes(range(256)) * 5000
        hub.push_image("v1", content)
        path = f"/v2/team/app/blobs/{digest_of(content)}"
        assert hub.call("GET", path).body == content
        assert hub.call("GET", path, Range="bytes=10-19").body == content[10:20]
        hub.call("DELETE", "/v2/team/app/manifests/v1")
        later = time.time_ns() + 3 * LEASE_S * 10**9
        assert hub.collector(lambda: later).collect().blobs == 2
        assert list(driver.list()) == []
