"""Steps of a build as a document, to be used by builders that don't have them.

    steps    key, the image that it continued, config document of the image that came out
    layers   the blobs that steps made; a step names its own by number

It travels as the config of a manifest whose layers are the layers (registry, OCI layout), or inside
an image's own config (inline), where it is compressed and the layers are the image's.

A key is worth as much as whoever wrote the document: it is only looked into when a user names it.
What it says is checked all the same, see cache_import.py.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from sampan.builder.cache import Made
from sampan.builder.results import State
from sampan.errors import InvalidArgument
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.store.image_records import LocalLayer, top_layer
from sampan.store.images import Image

CONFIG_TYPE = "application/vnd.sampan.buildcache.config.v1+json"
INLINE_KEY = "sampan.buildcache.v1"
MAX_BYTES = 64 << 20
_VERSION = 1


class BadCacheDocument(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid build cache: {reason}")


class ExportedStep(msgspec.Struct, frozen=True, kw_only=True):
    """`base` is the image that the step continued, empty for scratch; `config` is JSON, byte for
    byte: its digest is the image's id. The image's layers are those of `base` and `layer`. `apart`:
    see cache_keys.Key."""

    key: str
    apart: str = ""
    base: str = ""
    config: str
    layer: int | None = None


class CacheDocument(msgspec.Struct, frozen=True, kw_only=True):
    version: int = _VERSION
    layers: tuple[Descriptor, ...] = ()
    steps: tuple[ExportedStep, ...] = ()


def layers_of(steps: Iterable[Made]) -> list[LocalLayer]:
    """What the steps made, each layer once."""
    found: dict[Digest, LocalLayer] = {}
    for step in steps:
        layer = _own_layer(step)
        if layer is not None:
            found.setdefault(layer.diff_id, layer)
    return list(found.values())


def document_of(
    steps: Iterable[Made], layers: Mapping[Digest, Descriptor], read: Callable[[Digest], bytes]
) -> CacheDocument:
    """`layers` are blobs by diff id, as they are where the document goes; steps whose layer isn't
    among them stay out. `read` gives the bytes of a config."""
    blobs = dict.fromkeys(layers.values())
    numbers = {blob: number for number, blob in enumerate(blobs)}
    found: dict[str, ExportedStep] = {}
    for step in steps:
        image = step.result.image if isinstance(step.result, State) else None
        layer = _own_layer(step)
        if image is None or (layer is not None and layer.diff_id not in layers):
            continue
        found[step.key.digest] = ExportedStep(
            key=step.key.digest,
            apart=step.key.apart,
            base=step.key.parts.base,
            config=read(image.id).decode(),
            layer=None if layer is None else numbers[layers[layer.diff_id]],
        )
    return CacheDocument(layers=tuple(blobs), steps=tuple(found.values()))


def _own_layer(step: Made) -> LocalLayer | None:
    image = step.result.image if isinstance(step.result, State) else None
    return None if image is None else top_layer(image)


def on_the_way_to(result: State, steps: Sequence[Made]) -> list[Made]:
    """The steps of the result alone (mode=min): without other stages."""
    by_image = {step.result.identity: step for step in steps}
    found = []
    step = by_image.get(result.identity)
    while step is not None:
        found.append(step)
        step = by_image.get(step.key.parts.base)
    return found[::-1]


def encode(document: CacheDocument) -> bytes:
    return msgspec.json.encode(document)


def decode(data: bytes) -> CacheDocument:
    """Raises BadCacheDocument."""
    try:
        document = msgspec.json.decode(data, type=CacheDocument)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadCacheDocument(str(error)) from error
    if document.version != _VERSION:
        raise BadCacheDocument(f"version {document.version} is not known")
    count = len(document.layers)
    if any(step.layer is not None and not 0 <= step.layer < count for step in document.steps):
        raise BadCacheDocument("a layer is missing")
    return document


def inlined(image: Image, steps: Iterable[Made], read: Callable[[Digest], bytes]) -> bytes:
    """The image's config with its own steps inside. Its layers may be compressed on their way to a
    registry, so that they are known by their number only."""
    layers = dict(zip(image.spec.rootfs.diff_ids, image.layers, strict=True))
    document = document_of(steps, layers, read)
    packed = zlib.compress(encode(document), 9)
    config = msgspec.json.decode(read(image.id))
    config[INLINE_KEY] = base64.b64encode(packed).decode()
    return msgspec.json.encode(config, order="deterministic")


def inline_document(config: bytes, layers: tuple[Descriptor, ...]) -> CacheDocument | None:
    """What an image's config has inside; `layers` are the image's blobs. None: nothing.

    Raises BadCacheDocument.
    """
    try:
        packed = msgspec.json.decode(config, type=dict[str, object]).get(INLINE_KEY)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadCacheDocument(str(error)) from error
    if not isinstance(packed, str):
        return None
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(packed), MAX_BYTES)
    except (zlib.error, binascii.Error) as error:
        raise BadCacheDocument(str(error)) from error
    if unpacker.unconsumed_tail:
        raise BadCacheDocument("it is too large")
    document = decode(data)
    diff_ids = image_config.decode(config).rootfs.diff_ids
    distinct = dict(zip(diff_ids, layers, strict=False))
    if len(document.layers) != len(distinct) or len(layers) != len(diff_ids):
        raise BadCacheDocument("it is of another image")
    return msgspec.structs.replace(document, layers=tuple(distinct.values()))
