"""Blobs as objects of an S3-compatible store:

    s3://BUCKET/PREFIX/blobs/sha256/ab/abcdef...

An upload is staged in the hub's root, as with files, and goes to the store when its digest was
checked: large ones in parts, several at once. An object is there wholly or not at all. Credentials
are found where AWS's own tools find them (environment, ~/.aws, instance role).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from sampan.errors import InvalidArgument, Unavailable, Unsupported
from sampan.hub.storage.driver import BlobMissing, StoredBlob

PART_BYTES = 16 << 20  # S3 takes parts of 5 MiB to 5 GiB, at most 10,000
PARTS_AT_ONCE = 4
CONNECTIONS = 32  # pulls hold one each while they run
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


class StoreFailed(Unavailable):
    def __init__(self, error: Exception) -> None:
        super().__init__(f"the object store can't be used: {error}")


class S3Driver:
    """One client, which is safe for threads."""

    def __init__(self, url: str, *, endpoint: str = "", region: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise InvalidArgument(f"{url!r} is not s3://BUCKET or s3://BUCKET/PREFIX")
        self._bucket = parts.netloc
        prefix = parts.path.strip("/")
        self._prefix = f"{prefix}/blobs/" if prefix else "blobs/"
        self._client, self._transfer, self._errors = _client(endpoint, region)

    def put(self, digest: str, staged: Path) -> None:
        with self._failures():
            self._client.upload_file(
                str(staged), self._bucket, self._key(digest), Config=self._transfer
            )
        staged.unlink(missing_ok=True)

    def find_size(self, digest: str) -> int | None:
        try:
            with self._failures(digest):
                found = self._client.head_object(Bucket=self._bucket, Key=self._key(digest))
        except BlobMissing:
            return None
        return int(found["ContentLength"])

    def local_path(self, digest: str) -> Path | None:
        return None

    @contextmanager
    def open(self, digest: str, start: int, end: int) -> Iterator[BinaryIO]:
        with self._failures(digest):
            found = self._client.get_object(
                Bucket=self._bucket, Key=self._key(digest), Range=f"bytes={start}-{end - 1}"
            )
        body = found["Body"]
        try:
            yield body
        finally:
            body.close()

    def remove(self, digest: str) -> None:
        with self._failures():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))

    def list(self) -> Iterator[StoredBlob]:
        pages = self._client.get_paginator("list_objects_v2")
        with self._failures():
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for found in page.get("Contents", ()):
                    algorithm, _, rest = found["Key"].removeprefix(self._prefix).partition("/")
                    digest = f"{algorithm}:{rest.rpartition('/')[2]}"
                    modified_ns = int(found["LastModified"].timestamp() * 1e9)
                    yield StoredBlob(digest, int(found["Size"]), modified_ns)

    def _key(self, digest: str) -> str:
        algorithm, _, encoded = digest.partition(":")
        return f"{self._prefix}{algorithm}/{encoded[:2]}/{encoded}"

    @contextmanager
    def _failures(self, digest: str = "") -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            answer: dict[str, Any] = getattr(error, "response", {})
            if digest and answer.get("Error", {}).get("Code") in _MISSING:
                raise BlobMissing(digest) from error
            raise StoreFailed(error) from error


def _client(endpoint: str, region: str) -> tuple[Any, Any, tuple[type[Exception], ...]]:
    """The client, its way of uploading, and what it raises. boto3 is imported here alone: it is
    an extra, and takes longer to import than the rest of the hub."""
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:
        raise Unsupported(
            "the library for S3 is not installed", hint="pip install 'sampan[s3]'"
        ) from error
    settings = Config(
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "max_attempts": 4},
        request_checksum_calculation="when_required",  # stores other than AWS refuse new ones
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint else {},
    )
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region or ("us-east-1" if endpoint else None),
        config=settings,
    )
    transfer = TransferConfig(
        multipart_threshold=PART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
    )
    return client, transfer, (Boto3Error, BotoCoreError, ClientError)
