"""Paths, names, tags and digests of the distribution protocol. Pure.

    /v2/                                /v2/NAME/blobs/uploads/
    /v2/_catalog                        /v2/NAME/blobs/uploads/ID
    /v2/NAME/blobs/DIGEST               /v2/NAME/tags/list
    /v2/NAME/manifests/TAG or DIGEST    /v2/NAME/referrers/DIGEST

NAME has slashes itself, so paths are read from their end. The hub's own API lies below /v2/ too:
names that begin with one of its words are refused.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sampan.hub.accounts.names import OFFICIAL, RESERVED
from sampan.hub.v2.errors import DigestInvalid, NameInvalid, PageUnknown, TagInvalid

if TYPE_CHECKING:
    from hashlib import _Hash

NAME_MOST = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


class Resource(StrEnum):
    BASE = "base"
    CATALOG = "catalog"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    MANIFEST = "manifest"
    TAGS = "tags"
    REFERRERS = "referrers"


_ENDINGS = (
    ("/blobs/uploads", Resource.UPLOAD),
    ("/blobs", Resource.BLOB),
    ("/manifests", Resource.MANIFEST),
    ("/referrers", Resource.REFERRERS),
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. `name` is as the client wrote it, `repository` canonical."""

    resource: Resource
    name: str = ""
    item: str = ""  # digest, tag or upload id

    @property
    def repository(self) -> str:
        return canonical(self.name)


def canonical(name: str) -> str:
    """`busybox` stands for `library/busybox`."""
    return name if "/" in name else f"{OFFICIAL}/{name}"


def split(repository: str) -> tuple[str, str]:
    """Namespace and the name in it."""
    namespace, _, name = canonical(repository).partition("/")
    return namespace, name


def check_name(name: str) -> str:
    """Raises NameInvalid."""
    if len(name) > NAME_MOST or not _NAME.fullmatch(name):
        raise NameInvalid(name)
    if "/" in name and name.partition("/")[0] in RESERVED:
        raise NameInvalid(name)
    return name


def check_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise TagInvalid(tag)
    return tag


def is_digest(text: str) -> bool:
    return ":" in text  # tags have no colon


def check_digest(text: str) -> str:
    """sha256 or sha512. Raises DigestInvalid."""
    algorithm, _, encoded = text.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None or len(encoded) != length or not _HEX.fullmatch(encoded):
        raise DigestInvalid(text, "invalid checksum digest format")
    return text


def algorithm_of(digest: str) -> str:
    return digest.partition(":")[0]


def hasher(algorithm: str) -> "_Hash":
    """Raises DigestInvalid for an algorithm that isn't served."""
    if algorithm not in _DIGEST_LENGTHS:
        raise DigestInvalid(algorithm, "unsupported digest algorithm")
    return hashlib.new(algorithm, usedforsecurity=True)


def digest_of(payload: bytes, algorithm: str = "sha256") -> str:
    found = hasher(algorithm)
    found.update(payload)
    return f"{algorithm}:{found.hexdigest()}"


def parse_path(path: str) -> Target:
    """`path` is decoded and begins with /v2. Raises PageUnknown or NameInvalid."""
    rest = path.removeprefix("/v2").removeprefix("/")
    if not rest:
        return Target(Resource.BASE)
    if rest == "_catalog":
        return Target(Resource.CATALOG)
    resource, name, item = _split_path(rest, path)
    return Target(resource, check_name(name), item)


def _split_path(rest: str, path: str) -> tuple[Resource, str, str]:
    for ending in ("/blobs/uploads/", "/blobs/uploads"):
        if rest.endswith(ending):
            return Resource.UPLOADS, rest.removesuffix(ending), ""
    head, _, item = rest.rpartition("/")
    if head.endswith("/tags") and item == "list":
        return Resource.TAGS, head.removesuffix("/tags"), ""
    for ending, resource in _ENDINGS:
        if item and head.endswith(ending):
            return resource, head.removesuffix(ending), item
    raise PageUnknown(path)
