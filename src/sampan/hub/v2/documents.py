"""Reading a manifest that is pushed: what it is, and what it refers to. Pure.

Kept as the exact bytes; these are only the facts that the registry needs. Refused are documents
that could be read both as an image and as an index (CVE-2021-41190), schema 1, and a Content-Type
that contradicts the document.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from sampan.hub.v2.errors import DigestInvalid, ManifestInvalid
from sampan.hub.v2.names import check_digest
from sampan.oci import mediatypes

PAYLOAD_MOST = 4 << 20
REFERENCES_MOST = 5000
SIZE_MOST = 1 << 50  # of a part: sums of them fit into the database's integers


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A descriptor; digests of either algorithm."""

    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=SIZE_MOST)]
    mediaType: str = ""
    urls: list[str] | None = None

    def __post_init__(self) -> None:
        try:
            check_digest(self.digest)
        except DigestInvalid as error:
            raise ValueError(error.message) from error


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    schemaVersion: int = 2
    mediaType: str | None = None
    artifactType: str | None = None
    config: Part | None = None
    layers: list[Part] | None = None
    manifests: list[Part] | None = None
    subject: Part | None = None
    annotations: dict[str, str] | None = None
    fsLayers: Any = None  # only schema 1 has it


class _Config(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """`blobs` must be in the repository, `manifests` too; the subject may come later."""

    media_type: str
    artifact_type: str
    blobs: tuple[str, ...]
    manifests: tuple[str, ...]
    subject: str | None
    config: str | None
    config_media_type: str
    image_size: int


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    os: str = ""
    architecture: str = ""
    variant: str = ""


def read(payload: bytes, content_type: str) -> Facts:
    """Raises ManifestInvalid."""
    try:
        document = msgspec.json.decode(payload, type=_Document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ManifestInvalid("manifest invalid", reason=str(error)) from error
    media_type = _media_type(document, content_type)
    config = document.config
    layers = document.layers or []
    children = document.manifests or []
    if len(layers) + len(children) > REFERENCES_MOST:
        raise ManifestInvalid("manifest invalid", reason="too many references")
    needed = [part.digest for part in layers if not part.urls]  # with URLs: kept elsewhere
    if config is not None:
        needed.append(config.digest)
    return Facts(
        media_type=media_type,
        artifact_type=document.artifactType or (config.mediaType if config else ""),
        blobs=tuple(dict.fromkeys(needed)),
        manifests=tuple(dict.fromkeys(part.digest for part in children)),
        subject=document.subject.digest if document.subject else None,
        config=config.digest if config else None,
        config_media_type=config.mediaType if config else "",
        image_size=sum(part.size for part in layers) + (config.size if config else 0),
    )


def _media_type(document: _Document, content_type: str) -> str:
    said = content_type.partition(";")[0].strip().lower()
    inside = document.mediaType
    found = said or inside or ""
    reason = ""
    if document.schemaVersion != 2 or document.fsLayers or found in mediatypes.SCHEMA1:
        reason = "manifest schema 1 is not supported"
    elif inside and inside != found:
        reason = f"Content-Type is {found}, the manifest says {inside}"
    elif found not in mediatypes.MANIFESTS | mediatypes.INDEXES:
        reason = f"media type {found!r} is no manifest's"
    elif document.manifests is not None and (document.layers or document.config):
        reason = "both an index and an image"
    elif (found in mediatypes.INDEXES) != (document.manifests is not None):
        reason = f"content doesn't match {found}"
    elif found in mediatypes.MANIFESTS and document.config is None:
        reason = "config is missing"
    if reason:
        raise ManifestInvalid("manifest invalid", reason=reason)
    return found


def read_platform(config: bytes) -> PlatformFacts:
    """From an image config; empty when it is none."""
    try:
        found = msgspec.json.decode(config, type=_Config)
    except (msgspec.DecodeError, RecursionError):
        return PlatformFacts()
    return PlatformFacts(found.os[:64], found.architecture[:64], found.variant[:64])


def annotations_of(payload: bytes) -> dict[str, str]:
    """Of a manifest that was accepted."""
    return msgspec.json.decode(payload, type=_Document).annotations or {}
