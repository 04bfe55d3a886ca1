"""Image manifests and indexes of both families, decoded from the exact bytes that were hashed.

Never re-encode a manifest that came from outside: its digest is of the bytes. Documents that
could be read both as an index and as a manifest are refused (CVE-2021-41190), and so is schema 1.
"""

from typing import Any

import msgspec

from sampan.errors import InvalidArgument, Unsupported
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor


class InvalidManifest(InvalidArgument):
    pass


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One image: its config and its layers, base first."""

    schemaVersion: int = 2
    mediaType: str | msgspec.UnsetType = msgspec.UNSET
    artifactType: str | msgspec.UnsetType = msgspec.UNSET
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | msgspec.UnsetType = msgspec.UNSET
    annotations: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Manifests by platform (manifest list in Docker's words)."""

    schemaVersion: int = 2
    mediaType: str | msgspec.UnsetType = msgspec.UNSET
    artifactType: str | msgspec.UnsetType = msgspec.UNSET
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | msgspec.UnsetType = msgspec.UNSET
    annotations: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


def encode(document: Manifest | Index) -> bytes:
    return msgspec.json.encode(document)


def parse_manifest(data: bytes, media_type: str | None = None) -> Manifest | Index:
    """Decode what a registry or a layout holds.

    `media_type` is what its descriptor or Content-Type said; the document's own word must not
    contradict it. Raises InvalidManifest, or Unsupported for schema 1.
    """
    document = _document(data)
    kind = _kind(document, media_type)
    try:
        return msgspec.convert(_without_nulls(document), kind)
    except msgspec.ValidationError as error:
        raise InvalidManifest(f"invalid manifest: {error}") from error


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidManifest(f"invalid manifest: {error}") from error
    if not isinstance(document, dict):
        raise InvalidManifest("invalid manifest: not a JSON object")
    return document


def _kind(document: dict[str, Any], said: str | None) -> type[Manifest] | type[Index]:
    inside = document.get("mediaType")
    known = mediatypes.INDEXES | mediatypes.MANIFESTS | mediatypes.SCHEMA1
    declared = said if said in known else inside
    if document.get("schemaVersion") == 1 or declared in mediatypes.SCHEMA1:
        raise Unsupported(
            "image manifest schema 1 is not supported",
            hint="push the image again with a current tool",
        )
    if inside in known and declared != inside:
        raise InvalidManifest(f"manifest says it is {inside}, but was served as {declared}")
    is_index = "manifests" in document
    if is_index and ("layers" in document or "config" in document):
        raise InvalidManifest("invalid manifest: both an index and an image")
    if declared is not None and is_index != (declared in mediatypes.INDEXES):
        raise InvalidManifest(f"invalid manifest: content doesn't match {declared}")
    return Index if is_index else Manifest


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value
