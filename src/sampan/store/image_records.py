"""The record of one image, and how it lies in its row.

The id is the digest of the config document. `layers` are the blobs as they came (compressed or
not), base first, one for each diff id; empty when an image was made without blobs.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import ChainId, Digest
from sampan.oci.image_config import ImageSpec

COLUMNS = "id, manifest, layers, chain_id, size_bytes, parent, created_ns, tagged_ns, built_here"


@dataclass(frozen=True, slots=True)
class Image:
    """One image. `size_bytes` is the sum of its unpacked layers; 0 in a time means never."""

    id: Digest
    spec: ImageSpec
    manifest: Descriptor | None
    layers: tuple[Descriptor, ...]
    chain_id: ChainId | None
    size_bytes: int
    parent: Digest | None
    created_ns: int
    tagged_ns: int
    built_here: bool


@dataclass(frozen=True, slots=True)
class LocalLayer:
    """One layer of an image, with the blob that is here."""

    diff_id: Digest
    blob: Descriptor


def top_layer(image: Image) -> LocalLayer | None:
    """What the last entry of the history made; None if it changed no file."""
    if not image.layers or not image.spec.history or image.spec.history[-1].empty_layer:
        return None
    return LocalLayer(image.spec.rootfs.diff_ids[-1], image.layers[-1])


def to_row(image: Image) -> tuple[Any, ...]:
    return (
        image.id,
        None if image.manifest is None else msgspec.json.encode(image.manifest),
        msgspec.json.encode(image.layers),
        image.chain_id,
        image.size_bytes,
        image.parent,
        image.created_ns,
        image.tagged_ns,
        int(image.built_here),
    )


def from_row(row: sqlite3.Row | tuple[Any, ...], spec: ImageSpec) -> Image:
    return Image(
        id=row[0],
        spec=spec,
        manifest=None if row[1] is None else msgspec.json.decode(row[1], type=Descriptor),
        layers=msgspec.json.decode(row[2], type=tuple[Descriptor, ...]),
        chain_id=row[3],
        size_bytes=row[4],
        parent=row[5],
        created_ns=row[6],
        tagged_ns=row[7],
        built_here=bool(row[8]),
    )
