"""Sending blobs and manifests to a registry.

A blob is sent as Docker does it: open an upload session (POST), send the whole body (PATCH), close
it with the digest (PUT). A session that broke off is cancelled and begun anew: registries don't
agree on resuming. Parts go before the manifest that names them; a manifest goes byte for byte.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import urlencode

from yarl import URL

from sampan.errors import Internal
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.registry.auth import repository_scope
from sampan.registry.client import PULL, TEMPORARY, Repository, is_missing, pause
from sampan.registry.failures import ErrorAnswer, Unreachable

CHUNK_BYTES = 256 * 1024

Progress = Callable[[int], None]  # bytes sent so far


class NoUploadLocation(Internal):
    def __init__(self, *, url: str) -> None:
        super().__init__(f"registry gave no upload location for {url}")


class BlobPusher:
    """Pushes to one repository; `workers` read the disk."""

    def __init__(self, repository: Repository, workers: Workers) -> None:
        self._repository = repository
        self._workers = workers

    async def has_blob(self, digest: Digest) -> bool:
        try:
            async with self._repository.request("HEAD", f"blobs/{digest}"):
                return True
        except ErrorAnswer as error:
            if is_missing(error):
                return False
            raise

    async def mount(self, digest: Digest, source: str) -> bool:
        """Ask the registry to take the blob over from repository `source`; False if it won't."""
        query = urlencode({"mount": digest, "from": source})
        try:
            async with self._repository.request(
                "POST",
                f"blobs/uploads/?{query}",
                headers={"Content-Length": "0"},
                expect=(201, 202),
                scopes=(repository_scope(source, PULL),),
            ) as response:
                if response.status == 201:
                    return True
                location = self._location(response.headers.get("Location"), str(response.url))
        except ErrorAnswer as error:
            if error.status >= 500:
                raise
            return False  # may not read the source: an ordinary upload will do
        await self._cancel(location)
        return False

    async def upload(
        self, digest: Digest, size_bytes: int, source: Callable[[], BinaryIO], progress: Progress
    ) -> None:
        """Send a blob. Raises ErrorAnswer, Unreachable after the last attempt."""
        attempts = self._repository.max_attempts
        for attempt in range(1, attempts + 1):
            try:
                await self._upload_once(digest, size_bytes, source, progress)
                return
            except Unreachable:
                if attempt == attempts:
                    raise
            except ErrorAnswer as error:
                if error.status not in TEMPORARY or attempt == attempts:
                    raise
            await pause(attempt)

    async def put_manifest(self, target: str, data: bytes, media_type: str) -> None:
        """Store a manifest under a tag or its digest: the commit point of a push."""
        async with self._repository.request(
            "PUT",
            f"manifests/{target}",
            headers={"Content-Type": media_type},
            body=data,
            expect=(200, 201, 202),
        ):
            pass

    async def _upload_once(
        self, digest: Digest, size_bytes: int, source: Callable[[], BinaryIO], progress: Progress
    ) -> None:
        location = await self._open_session()

        async def body() -> AsyncIterator[bytes]:
            file = await self._workers.run(source)
            sent = 0
            try:
                while chunk := await self._workers.run(file.read, CHUNK_BYTES):
                    yield chunk
                    sent += len(chunk)
                    progress(sent)
            finally:
                file.close()

        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes),
        }
        try:
            async with self._repository.request(
                "PATCH",
                location,
                headers=headers,
                body=body if size_bytes else b"",
                expect=(202, 204),
                retry=False,
            ) as response:
                location = self._location(response.headers.get("Location"), location)
            await self._finish(location, digest)
        except BaseException:
            await self._cancel(location)
            raise

    async def _open_session(self) -> str:
        async with self._repository.request(
            "POST", "blobs/uploads/", headers={"Content-Length": "0"}, expect=(202,)
        ) as response:
            return self._location(response.headers.get("Location"), str(response.url))

    async def _finish(self, location: str, digest: Digest) -> None:
        separator = "&" if "?" in location else "?"
        async with self._repository.request(
            "PUT",
            f"{location}{separator}{urlencode({'digest': digest})}",
            headers={"Content-Length": "0"},
            expect=(201, 204),
            retry=False,
        ):
            pass

    async def _cancel(self, location: str) -> None:
        """Best effort: registries clear away old sessions by themselves."""
        with suppress(ErrorAnswer, Unreachable):
            async with self._repository.request(
                "DELETE", location, expect=range(200, 500), retry=False
            ):
                pass

    def _location(self, location: str | None, base: str) -> str:
        if location is None:
            raise NoUploadLocation(url=base)
        return str(URL(base, encoded=True).join(URL(location, encoded=True)))
