"""Content addresses: digests of blobs and chain ids of layer stacks.

A digest names bytes: "sha256:" and 64 lower-case hexadecimal digits. Other algorithms are
refused: nothing that we talk to uses them. A diff id is the digest of a layer's uncompressed tar;
a chain id names a layer together with all layers under it, so equal stacks share one name.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import NewType

from sampan.errors import InvalidArgument

Digest = NewType("Digest", str)
ChainId = NewType("ChainId", str)

PREFIX = "sha256:"

_SHAPE = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_HEX = re.compile(r"[0-9a-f]{64}")


class InvalidDigest(InvalidArgument):
    """Messages are go-digest's, which clients know."""


def parse_digest(text: str) -> Digest:
    """Check the text of a digest. Raises InvalidDigest."""
    if not _SHAPE.fullmatch(text):
        raise InvalidDigest("invalid checksum digest format")
    algorithm, _, encoded = text.partition(":")
    if algorithm != "sha256":
        raise InvalidDigest("unsupported digest algorithm")
    if len(encoded) != 64:
        raise InvalidDigest("invalid checksum digest length")
    if not _HEX.fullmatch(encoded):
        raise InvalidDigest("invalid checksum digest format")
    return Digest(text)


def encoded(digest: str) -> str:
    """The hexadecimal part."""
    return digest.removeprefix(PREFIX)


def sha256_of(data: bytes) -> Digest:
    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def chain_ids(diff_ids: Iterable[Digest]) -> list[ChainId]:
    """The chain id of each layer, base first: the first is the diff id itself."""
    found: list[ChainId] = []
    for diff_id in diff_ids:
        if found:
            found.append(ChainId(sha256_of(f"{found[-1]} {diff_id}".encode())))
        else:
            found.append(ChainId(diff_id))
    return found
