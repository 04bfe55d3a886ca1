"""Reads archives of `docker save` and OCI layouts, in one pass over the stream.

What the archive's index says comes last, so members are taken in as they come: documents into
memory (bounded), everything that isn't a document as a layer, which is stored, hashed and
extracted at the same time. At the end the images are put together from these parts; a layer takes
the place only that its diff id in the config allows. What no image used is dropped.

Names of members are only keys here: nothing is written under a name from the archive.
"""

import posixpath
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.lib.tarstream import CHUNK, Entry, Kind, Readable, TarReader
from sampan.oci import image_config, mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import PREFIX, Digest, InvalidDigest, encoded, parse_digest, sha256_of
from sampan.oci.image_config import ImageSpec
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.platform import Platform, host_platform, normalise, select
from sampan.oci.reference import InvalidReference, Reference, parse_reference
from sampan.store import oci_layout
from sampan.store.content import ContentStore, WrongDigest
from sampan.store.decompress import decompressed
from sampan.store.images import Image, ImageStore
from sampan.store.ingest import IngestedLayer, LayerIngest
from sampan.store.leases import Lease, Leases
from sampan.store.members import clean_parts
from sampan.store.oci_layout import InvalidArchive, SavedImage
from sampan.store.snapshots import Snapshotter
from sampan.store.unpack import Unpacker

MAX_DOCUMENT = 16 << 20
MAX_DOCUMENTS = 64 << 20
_MAX_LINKS = 10
_TOP = frozenset({oci_layout.MANIFEST, oci_layout.INDEX, oci_layout.REPOSITORIES})

LayerProgress = Callable[[str, int, int], None]  # name or digest, bytes so far, bytes in all


class LengthMismatch(InvalidArgument):
    def __init__(self, *, layers: int, diff_ids: int) -> None:
        super().__init__(
            f"invalid manifest, layers length mismatch: expected {layers}, got {diff_ids}"
        )


class OtherPlatform(InvalidArgument):
    def __init__(self, *, wanted: Platform, found: Platform) -> None:
        super().__init__(
            f"requested platform ({wanted}) does not match the image's platform ({found})"
        )


class InvalidDiffId(InvalidArgument):
    def __init__(self, index: int, *, expected: Digest, found: Digest) -> None:
        super().__init__(f'invalid diffID for layer {index}: expected "{expected}", got "{found}"')


@dataclass(frozen=True, slots=True)
class Loaded:
    """One image of the archive; `replaced` are names that pointed to another image before."""

    image: Image
    references: tuple[Reference, ...]
    replaced: tuple[tuple[Reference, Digest], ...]


@dataclass(slots=True)
class _Parts:
    """What was found in the archive so far, by member name; and for whom."""

    lease: Lease
    on_layer: LayerProgress | None
    platform: Platform | None
    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, IngestedLayer] = field(default_factory=dict)
    staged: dict[Digest, IngestedLayer] = field(default_factory=dict)  # by diff id, not yet used
    known: dict[str, Digest] = field(default_factory=dict)  # blobs that were there already
    links: dict[str, str] = field(default_factory=dict)
    document_bytes: int = 0

    def resolve(self, name: str) -> str:
        name = _key(name)
        for _ in range(_MAX_LINKS):
            if name not in self.links:
                return name
            name = self.links[name]
        raise InvalidArchive(f"too many links at {name!r}")

    def document(self, name: str) -> bytes:
        found = self.documents.get(self.resolve(name))
        if found is None:
            raise InvalidArchive(f"{name!r} is missing")
        return found


class ImageLoader:
    """Thread-safe; `load` blocks on the stream and the disk."""

    def __init__(
        self,
        *,
        content: ContentStore,
        snapshotter: Snapshotter,
        images: ImageStore,
        unpacker: Unpacker,
        leases: Leases,
    ) -> None:
        self._content = content
        self._snapshotter = snapshotter
        self._images = images
        self._unpacker = unpacker
        self._leases = leases

    def load(
        self,
        source: Readable,
        on_layer: LayerProgress | None = None,
        platform: Platform | None = None,
    ) -> list[Loaded]:
        """Take in all images of the archive (compressed or not), of `platform` if given.

        Raises OtherPlatform, InvalidArgument for a damaged or foreign archive. Images that were
        complete before the failure of a later one stay; blobs that nothing refers to are left to
        gc.
        """
        with self._leases.hold() as lease:
            parts = _Parts(lease, on_layer, platform)
            try:
                self._read(source, parts)
                return [self._add(saved, parts) for saved in _images_of(parts)]
            finally:
                for layer in parts.staged.values():
                    self._snapshotter.drop_stage(layer.stage)

    # --- members ----------------------------------------------------------------------------

    def _read(self, source: Readable, parts: _Parts) -> None:
        _, plain = decompressed(source)
        reader = TarReader(plain)
        for entry in reader:
            name = _key(entry.name)
            if entry.kind is Kind.SYMLINK:
                parts.links[name] = _key(posixpath.join(posixpath.dirname(name), entry.link))
            elif entry.kind is Kind.HARD_LINK:
                parts.links[name] = _key(entry.link)
            elif entry.kind is Kind.REGULAR and entry.sparse is None:
                self._member(name, entry, reader, parts)
        reader.drain()

    def _member(self, name: str, entry: Entry, reader: TarReader, parts: _Parts) -> None:
        if name in _TOP or name.endswith(".json"):
            _keep_document(name, reader.read_all(MAX_DOCUMENT), parts)
        elif name.startswith(oci_layout.BLOBS) or name.endswith(".tar"):
            expected = _digest_of(name)
            first = reader.read(CHUNK)
            if bytes(first[:1]) in {b"{", b"["}:
                data = bytes(first) + reader.read_all(MAX_DOCUMENT)
                if expected not in {None, sha256_of(data)}:
                    assert expected is not None
                    raise WrongDigest(expected=expected, found=sha256_of(data))
                _keep_document(name, data, parts)
            elif not self._is_known(name, expected, parts):
                pieces = _reported(first, reader, entry, name, parts.on_layer)
                layer = self._ingest(pieces, expected, parts.lease)
                parts.layers[name] = layer
                if parts.staged.setdefault(layer.diff_id, layer) is not layer:
                    self._snapshotter.drop_stage(layer.stage)

    def _is_known(self, name: str, expected: Digest | None, parts: _Parts) -> bool:
        """Whether the store has the blob already: then the archive's copy isn't read."""
        if expected is None:
            return False
        parts.lease.add_content(expected)
        if not self._content.has(expected):
            return False
        parts.known[name] = expected
        return True

    def _ingest(
        self, pieces: Iterator[memoryview], expected: Digest | None, lease: Lease
    ) -> IngestedLayer:
        with LayerIngest(self._content, self._snapshotter, lease) as ingest:
            for piece in pieces:
                ingest.write(piece)
            return ingest.finish(expected=expected)

    # --- images -----------------------------------------------------------------------------

    def _add(self, saved: SavedImage, parts: _Parts) -> Loaded:
        config = parts.document(saved.Config)
        expected = _digest_of(parts.resolve(saved.Config))
        if expected not in {None, sha256_of(config)}:
            assert expected is not None
            raise WrongDigest(expected=expected, found=sha256_of(config))
        spec = image_config.decode(config)
        wanted = parts.platform
        if wanted is not None and normalise(spec.platform) != normalise(wanted):
            raise OtherPlatform(wanted=wanted, found=spec.platform)
        references = _references(saved)
        layers = self._layers(saved, spec, parts)
        parts.lease.add_content(sha256_of(config))
        usage = self._unpacker.ensure_unpacked(
            spec.rootfs.diff_ids, layers, lease=parts.lease, staged=parts.staged
        )
        image = self._images.add(config, layers, size_bytes=usage.size_bytes)
        replaced = []
        for reference in references:
            before = self._images.tag(reference, image.id)
            if before is not None:
                replaced.append((reference, before))
        return Loaded(self._images.get(image.id), references, tuple(replaced))

    def _layers(self, saved: SavedImage, spec: ImageSpec, parts: _Parts) -> list[Descriptor]:
        names, diff_ids = saved.Layers or (), spec.rootfs.diff_ids
        if len(names) != len(diff_ids):
            raise LengthMismatch(layers=len(names), diff_ids=len(diff_ids))
        for index, (name, diff_id) in enumerate(zip(names, diff_ids, strict=True)):
            layer = parts.layers.get(parts.resolve(name))
            if layer is not None and layer.diff_id != diff_id:
                raise InvalidDiffId(index, expected=diff_id, found=layer.diff_id)
        return [self._layer(name, parts) for name in names]

    def _layer(self, name: str, parts: _Parts) -> Descriptor:
        name = parts.resolve(name)
        if name in parts.layers:
            layer = parts.layers[name]
            return _descriptor(layer.digest, layer.size_bytes, str(layer.compression))
        digest = parts.known.get(name) or _digest_of(name)
        if digest is None:
            raise InvalidArchive(f"layer {name!r} is missing")
        try:
            with self._content.open(digest) as blob:
                compression, _ = decompressed(blob)
            return _descriptor(digest, self._content.size(digest), str(compression))
        except NotFound as error:
            raise InvalidArchive(f"layer {name!r} is missing") from error


def _reported(
    first: memoryview,
    reader: TarReader,
    entry: Entry,
    name: str,
    on_layer: LayerProgress | None,
) -> Iterator[memoryview]:
    piece, done = first, 0
    while piece:
        yield piece
        done += len(piece)
        if on_layer is not None:
            on_layer(name, done, entry.size_bytes)
        piece = reader.read(CHUNK)


def _key(name: str) -> str:
    """Members and what points to them, as if the archive were unpacked in a root of its own."""
    return "/".join(clean_parts(name))


def _keep_document(name: str, data: bytes, parts: _Parts) -> None:
    parts.document_bytes += len(data)
    if parts.document_bytes > MAX_DOCUMENTS:
        raise InvalidArchive("the documents in it are too long")
    parts.documents[name] = data


def _digest_of(name: str) -> Digest | None:
    """What a member's name says about its bytes: blobs/sha256/<hex>, <hex>.json."""
    if name.startswith(oci_layout.BLOBS):
        return parse_digest(PREFIX + name.removeprefix(oci_layout.BLOBS))
    with suppress(InvalidDigest):
        return parse_digest(PREFIX + name.removesuffix(".json"))
    return None


_MEDIA_TYPES = {
    "plain": mediatypes.DOCKER_LAYER,
    "gzip": mediatypes.DOCKER_LAYER_GZIP,
    "zstd": mediatypes.OCI_LAYER_ZSTD,
}


def _descriptor(digest: Digest, size_bytes: int, compression: str) -> Descriptor:
    media_type = _MEDIA_TYPES.get(compression, mediatypes.DOCKER_LAYER)
    return Descriptor(mediaType=media_type, digest=digest, size=size_bytes)


def _references(saved: SavedImage) -> tuple[Reference, ...]:
    try:
        return tuple(parse_reference(text).with_default_tag() for text in saved.RepoTags or ())
    except InvalidReference as error:
        raise InvalidArchive(error.message) from error


def _images_of(parts: _Parts) -> list[SavedImage]:
    """manifest.json, else what index.json says in its words."""
    if oci_layout.MANIFEST in parts.documents:
        return oci_layout.parse_saved(parts.documents[oci_layout.MANIFEST])
    if oci_layout.INDEX in parts.documents:
        index = parse_manifest(parts.documents[oci_layout.INDEX])
        if not isinstance(index, Index):
            raise InvalidArchive(f"{oci_layout.INDEX} isn't an index")
        return _merged(_from_descriptor(entry, parts) for entry in index.manifests)
    raise InvalidArchive(f"neither {oci_layout.MANIFEST} nor {oci_layout.INDEX} is in it")


def _from_descriptor(descriptor: Descriptor, parts: _Parts) -> SavedImage:
    document = parse_manifest(
        parts.document(oci_layout.BLOBS + encoded(descriptor.digest)), descriptor.mediaType
    )
    if isinstance(document, Index):
        chosen = select(document, parts.platform or host_platform())
        document = parse_manifest(
            parts.document(oci_layout.BLOBS + encoded(chosen.digest)), chosen.mediaType
        )
    if not isinstance(document, Manifest):
        raise InvalidArchive("an index in an index")
    name = (descriptor.annotations or {}).get(oci_layout.NAME_ANNOTATION, "")
    if not name:
        name = (descriptor.annotations or {}).get(oci_layout.REF_ANNOTATION, "")
        name = name if "/" in name or ":" in name else ""  # a tag alone names nothing
    return SavedImage(
        Config=oci_layout.blob_path(document.config.digest),
        RepoTags=(name,) if _is_name(name) else None,
        Layers=tuple(oci_layout.blob_path(layer.digest) for layer in document.layers),
    )


def _is_name(text: str) -> bool:
    try:
        parse_reference(text)
    except SampanError:
        return False
    return True


def _merged(images: Iterator[SavedImage]) -> list[SavedImage]:
    """One entry an image: an index has one for each name."""
    found: dict[str, SavedImage] = {}
    for image in images:
        known = found.get(image.Config)
        names = (*((known.RepoTags or ()) if known else ()), *(image.RepoTags or ()))
        found[image.Config] = SavedImage(
            Config=image.Config, RepoTags=names or None, Layers=image.Layers
        )
    return list(found.values())
