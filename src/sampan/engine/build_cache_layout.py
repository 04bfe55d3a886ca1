"""Build caches in directories, as an OCI layout. Blocking, but for the fetching of layers.

    oci-layout   index.json -> manifest -> config: the document, layers
    blobs/sha256/<hex>

Blobs come before the index; an index that is there is replaced at once. Nothing is trusted: every
blob is hashed when it is read.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sampan.builder.cache_document import (
    CONFIG_TYPE,
    MAX_BYTES,
    BadCacheDocument,
    CacheDocument,
    decode,
)
from sampan.engine.images.layers import LayersHere
from sampan.lib.atomicfile import write_atomic
from sampan.lib.workers import Workers
from sampan.oci import manifest as manifests
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, sha256_of
from sampan.oci.image_config import ImageSpec
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.store.content import ContentStore
from sampan.store.leases import Lease
from sampan.store.oci_layout import INDEX, LAYOUT, LAYOUT_DOCUMENT, blob_path

_CHUNK = 1 << 20


def write_layout(
    root: Path, document: bytes, layers: Sequence[Descriptor], content: ContentStore
) -> None:
    (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    for layer in layers:
        target = root / blob_path(layer.digest)
        if not target.exists():
            partial = target.with_name(f".{target.name}")
            with content.open(layer.digest) as source, partial.open("wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
            partial.rename(target)
    config = _put(root, document, CONFIG_TYPE)
    manifest = Manifest(mediaType=mediatypes.OCI_MANIFEST, config=config, layers=tuple(layers))
    entry = _put(root, manifests.encode(manifest), mediatypes.OCI_MANIFEST)
    index = Index(mediaType=mediatypes.OCI_INDEX, manifests=(entry,))
    write_atomic(root / LAYOUT, LAYOUT_DOCUMENT)
    write_atomic(root / INDEX, manifests.encode(index))


def read_layout(root: Path) -> CacheDocument:
    """Raises OSError, BadCacheDocument."""
    index = parse_manifest((root / INDEX).read_bytes(), mediatypes.OCI_INDEX)
    if not isinstance(index, Index) or not index.manifests:
        raise BadCacheDocument(f"{INDEX} names no manifest")
    manifest = parse_manifest(_get(root, index.manifests[0]), mediatypes.OCI_MANIFEST)
    if not isinstance(manifest, Manifest) or manifest.config.mediaType != CONFIG_TYPE:
        raise BadCacheDocument("the layout has no build cache")
    return decode(_get(root, manifest.config))


def _put(root: Path, data: bytes, media_type: str) -> Descriptor:
    digest = sha256_of(data)
    write_atomic(root / blob_path(digest), data)
    return Descriptor(mediaType=media_type, digest=digest, size=len(data))


def _get(root: Path, descriptor: Descriptor) -> bytes:
    path = root / blob_path(Digest(descriptor.digest))
    if path.stat().st_size > MAX_BYTES:
        raise BadCacheDocument("it is too large")
    data = path.read_bytes()
    if sha256_of(data) != descriptor.digest:
        raise BadCacheDocument(f"{descriptor.digest} has another content")
    return data


class LayoutLayers:
    """See cache_import.LayerBlobs."""

    def __init__(
        self, root: Path, here: LayersHere, content: ContentStore, workers: Workers
    ) -> None:
        self._root = root
        self._here = here
        self._content = content
        self._workers = workers

    async def fetch(
        self, spec: ImageSpec, layers: Sequence[Descriptor], lease: Lease
    ) -> tuple[Descriptor, ...]:
        return await self._workers.run(self._fetch, spec, layers, lease)

    def _fetch(
        self, spec: ImageSpec, layers: Sequence[Descriptor], lease: Lease
    ) -> tuple[Descriptor, ...]:
        present = self._here.find(spec, layers, lease)
        for one, layer in zip(present, layers, strict=True):
            if one is None and not self._content.has(layer.digest):
                self._copy(layer, lease)
        return tuple(one or layer for one, layer in zip(present, layers, strict=True))

    def _copy(self, layer: Descriptor, lease: Lease) -> None:
        """Raises DataLoss for another content than promised, NotFound."""
        lease.add_content(layer.digest)
        try:
            source = (self._root / blob_path(layer.digest)).open("rb")
        except FileNotFoundError:
            raise BadCacheDocument(f"layer {layer.digest} is missing") from None
        with source, self._content.writer() as writer:
            while data := source.read(_CHUNK):
                writer.write(data)
            writer.commit(layer.digest, layer.size)
