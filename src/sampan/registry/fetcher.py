"""Blobs as byte streams that survive broken connections.

`stream_blob` yields the bytes of a blob from `start` to its end: after a break it goes on where it
stopped (Range), or reads again and drops what was had where a registry takes no notice of that or
refuses it; from the registry first and then from the addresses that the descriptor itself names
(foreign layers). Without If-Range: the digest in the address names the bytes, and entity tags
differ between a registry and the storage that it redirects to. It doesn't hash: whoever stores the
bytes does, and must refuse them when the digest is wrong.
"""

import re
from collections.abc import AsyncIterator

import aiohttp

from sampan.oci.descriptor import Descriptor
from sampan.registry.client import Repository, is_missing, pause
from sampan.registry.failures import BlobCorrupt, ErrorAnswer, Unreachable, unreachable

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_RANGE_NOT_SATISFIABLE = 416


async def stream_blob(
    repository: Repository, descriptor: Descriptor, *, start: int = 0
) -> AsyncIterator[bytes]:
    """Raises ErrorAnswer, Unreachable after the last attempt, BlobCorrupt for a wrong length.

    Attempts count from the last byte that came: a slow but moving download is never given up.
    """
    offset, attempt, ranged = start, 0, True
    sources = [f"blobs/{descriptor.digest}", *(descriptor.urls or ())]
    while offset < descriptor.size or offset == 0:
        attempt += 1
        try:
            async for chunk in _read(repository, sources[0], descriptor, offset, ranged=ranged):
                offset += len(chunk)
                attempt = 0
                yield chunk
            return
        except ErrorAnswer as error:
            if error.status == _RANGE_NOT_SATISFIABLE and ranged and offset:
                ranged = False
            elif is_missing(error) and len(sources) > 1:
                del sources[0]
                ranged = True
            else:
                raise
            attempt = 0
        except Unreachable:
            if attempt >= repository.max_attempts:
                raise
            await pause(max(attempt, 1))


async def _read(
    repository: Repository, source: str, descriptor: Descriptor, offset: int, *, ranged: bool
) -> AsyncIterator[bytes]:
    """One attempt, from `offset` to the end."""
    headers = {"Range": f"bytes={offset}-"} if offset and ranged else {}
    async with repository.request("GET", source, headers=headers, expect=(200, 206)) as response:
        skip = offset - _start(response, descriptor)
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


def _start(response: aiohttp.ClientResponse, descriptor: Descriptor) -> int:
    """The offset of the answer's first byte: 0 when the server took no notice of Range."""
    if response.status != 206:
        return 0
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if match is None:
        return 0
    if match[2] not in {"*", str(descriptor.size)}:
        raise BlobCorrupt(digest=descriptor.digest)
    return int(match[1])
