"""Blobs as byte streams that survive broken connections.

`stream_blob` yields exactly `descriptor.size` bytes: after a break it goes on where it stopped
(Range), or reads again and drops what was had, from the registry first and then from the addresses
that the descriptor itself names (foreign layers). It doesn't hash: whoever stores the bytes does,
and must refuse them when the digest is wrong.
"""

import re
from collections.abc import AsyncIterator

import aiohttp

from sampan.oci.descriptor import Descriptor
from sampan.registry.client import Repository, is_missing, pause
from sampan.registry.failures import BlobCorrupt, ErrorAnswer, Unreachable, unreachable

_CONTENT_RANGE = re.compile(r"bytes (\d+)-")


async def stream_blob(repository: Repository, descriptor: Descriptor) -> AsyncIterator[bytes]:
    """Raises ErrorAnswer, Unreachable after the last attempt, BlobCorrupt for a wrong length.

    Attempts count from the last byte that came: a slow but moving download is never given up.
    """
    offset, attempt = 0, 0
    sources = [f"blobs/{descriptor.digest}", *(descriptor.urls or ())]
    while True:
        attempt += 1
        try:
            async for chunk in _read(repository, sources[0], descriptor, offset):
                offset += len(chunk)
                attempt = 0
                yield chunk
            return
        except ErrorAnswer as error:
            if not is_missing(error) or len(sources) == 1:
                raise
            del sources[0]
            attempt = 0
        except Unreachable:
            if attempt >= repository.max_attempts:
                raise
            await pause(max(attempt, 1))


async def _read(
    repository: Repository, source: str, descriptor: Descriptor, offset: int
) -> AsyncIterator[bytes]:
    """One attempt, from `offset` to the end."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    async with repository.request("GET", source, headers=headers, expect=(200, 206)) as response:
        skip = offset - _start(response)
        if skip < 0:
            raise BlobCorrupt(digest=descriptor.digest)
        left = descriptor.size - offset
        try:
            async for chunk in response.content.iter_any():
                fresh = chunk[skip:] if skip else chunk
                skip -= min(skip, len(chunk))
                left -= len(fresh)
                if left < 0:
                    raise BlobCorrupt(digest=descriptor.digest)
                if fresh:
                    yield fresh
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable("GET", repository.url(source), error) from error
        if left:  # a clean end, too early: asking again would give the same
            raise BlobCorrupt(digest=descriptor.digest)


def _start(response: aiohttp.ClientResponse) -> int:
    """The offset of the answer's first byte: 0 when the server took no notice of Range."""
    if response.status != 206:
        return 0
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else 0
