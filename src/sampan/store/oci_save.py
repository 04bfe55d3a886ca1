"""Writes images as one archive; see oci_layout.py for its shape.

Layers go out uncompressed under their diff ids, whatever the content store holds: readers of the
format count on it. A tar header needs the size first, so compressed layers are read twice.
Everything in the archive depends on the images only: saving twice gives equal bytes.
"""

from collections.abc import Sequence

import msgspec

from sampan.errors import DataLoss
from sampan.lib.tarstream import CHUNK, Entry, Kind, Readable
from sampan.lib.tarwriter import TarWriter, Writable
from sampan.oci import manifest as manifests
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, encoded, sha256_of
from sampan.oci.reference import Reference
from sampan.store import oci_layout
from sampan.store.content import ContentStore
from sampan.store.decompress import Compression, decompressed
from sampan.store.images import Image

_NANOS = 1_000_000_000


class ImageSaver:
    """Thread-safe; `save` blocks on the disk and on `out`."""

    def __init__(self, content: ContentStore) -> None:
        self._content = content

    def save(self, images: Sequence[tuple[Image, Sequence[Reference]]], out: Writable) -> None:
        """Write images with the names given for each (none: only its id is saved)."""
        _Archive(self._content, out).write(images)


class _Archive:
    def __init__(self, content: ContentStore, out: Writable) -> None:
        self._content = content
        self._writer = TarWriter(out)
        self._written: set[str] = set()
        self._sizes: dict[Digest, int] = {}

    def write(self, images: Sequence[tuple[Image, Sequence[Reference]]]) -> None:
        for folder in ("blobs/", oci_layout.BLOBS):
            self._writer.add(Entry(name=folder, kind=Kind.DIRECTORY, mode=0o755))
        index: list[Descriptor] = []
        saved: list[oci_layout.SavedImage] = []
        repositories: dict[str, dict[str, str]] = {}
        for image, references in images:
            manifest = self._add_image(image)
            index += _index_entries(manifest, references)
            saved.append(_saved_image(image, self._layers(image), references))
            for reference in references:
                names = repositories.setdefault(reference.familiar_name, {})
                # the uppermost layer, as in engines since 25
                top = image.spec.rootfs.diff_ids[-1:] or (image.id,)
                names[reference.tag or "latest"] = encoded(top[0])
        document = manifests.Index(mediaType=mediatypes.OCI_INDEX, manifests=tuple(index))
        self._add(oci_layout.INDEX, manifests.encode(document))
        self._add(oci_layout.MANIFEST, msgspec.json.encode(saved))
        self._add(oci_layout.LAYOUT, oci_layout.LAYOUT_DOCUMENT)
        self._add(oci_layout.REPOSITORIES, msgspec.json.encode(repositories))
        self._writer.finish()

    def _add_image(self, image: Image) -> Descriptor:
        """Config, layers and a manifest that fits them."""
        config = self._content.read(image.id)
        mtime_ns = max(image.created_ns, 0) // _NANOS * _NANOS
        self._add(oci_layout.blob_path(image.id), config, mtime_ns)
        for diff_id, layer in zip(image.spec.rootfs.diff_ids, image.layers, strict=True):
            self._add_layer(diff_id, layer, mtime_ns)
        document = manifests.Manifest(
            mediaType=mediatypes.OCI_MANIFEST,
            config=Descriptor(mediaType=mediatypes.OCI_CONFIG, digest=image.id, size=len(config)),
            layers=tuple(self._layers(image)),
        )
        data = manifests.encode(document)
        digest = sha256_of(data)
        self._add(oci_layout.blob_path(digest), data, mtime_ns)
        return Descriptor(mediaType=mediatypes.OCI_MANIFEST, digest=digest, size=len(data))

    def _layers(self, image: Image) -> list[Descriptor]:
        return [
            Descriptor(mediaType=mediatypes.OCI_LAYER, digest=diff_id, size=self._sizes[diff_id])
            for diff_id in image.spec.rootfs.diff_ids
        ]

    def _add_layer(self, diff_id: Digest, layer: Descriptor, mtime_ns: int) -> None:
        name = oci_layout.blob_path(diff_id)
        if name in self._written:
            return
        self._written.add(name)
        size = self._plain_size(layer)
        self._sizes[diff_id] = size
        entry = Entry(name=name, mode=0o444, size_bytes=size, mtime_ns=mtime_ns)
        with self._content.open(layer.digest) as blob:
            _, plain = decompressed(blob)
            self._writer.add(entry, _Exactly(plain, size, diff_id))
        # readers that go by the version look for <layer>/layer.tar in archives of engines before 25
        folder = encoded(diff_id)
        self._writer.add(Entry(name=f"{folder}/", kind=Kind.DIRECTORY, mode=0o755))
        self._writer.add(
            Entry(name=f"{folder}/layer.tar", kind=Kind.SYMLINK, mode=0o777, link=f"../{name}")
        )

    def _plain_size(self, layer: Descriptor) -> int:
        with self._content.open(layer.digest) as blob:
            compression, plain = decompressed(blob)
            if compression is Compression.PLAIN:
                return self._content.size(layer.digest)
            size = 0
            while piece := plain.read(CHUNK):
                size += len(piece)
            return size

    def _add(self, name: str, data: bytes, mtime_ns: int = 0) -> None:
        if name not in self._written:
            self._written.add(name)
            self._writer.add_bytes(
                Entry(name=name, mode=0o444, size_bytes=len(data), mtime_ns=mtime_ns), data
            )


class _Exactly:
    """A stream that must not end early: the archive would be filled up with zeros."""

    def __init__(self, source: Readable, size: int, diff_id: Digest) -> None:
        self._source = source
        self._left = size
        self._diff_id = diff_id

    def read(self, size: int, /) -> bytes | memoryview:
        piece = self._source.read(size)
        self._left -= len(piece)
        if not piece and self._left:
            raise DataLoss(f"layer {self._diff_id}: the blob ends early")
        return piece


def _index_entries(manifest: Descriptor, references: Sequence[Reference]) -> list[Descriptor]:
    if not references:
        return [manifest]
    return [
        msgspec.structs.replace(
            manifest,
            annotations={
                oci_layout.NAME_ANNOTATION: str(reference.with_default_tag()),
                oci_layout.REF_ANNOTATION: reference.with_default_tag().tag or "",
            },
        )
        for reference in references
    ]


def _saved_image(
    image: Image, layers: Sequence[Descriptor], references: Sequence[Reference]
) -> oci_layout.SavedImage:
    return oci_layout.SavedImage(
        Config=oci_layout.blob_path(image.id),
        RepoTags=tuple(reference.familiar for reference in references) or None,
        Layers=tuple(oci_layout.blob_path(layer.digest) for layer in layers),
        LayerSources={layer.digest: msgspec.to_builtins(layer) for layer in layers},
    )
