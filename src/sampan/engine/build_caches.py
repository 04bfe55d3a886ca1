"""`--cache-from` and `--cache-to`: build caches in registries, directories and images.

    type=inline                               inside the image that is built
    type=registry,ref=NAME[,mode=min|max]     a manifest whose config is the document of the steps;
                                              as a source also an image with an inline cache
    type=local,src=DIR  dest=DIR,mode=        the same as an OCI layout, in a directory of this host
    NAME                                      an image that is here, with its inline cache

A source that can't be had is told and passed over; a target that can't be written fails the build.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sampan.builder.cache import Made
from sampan.builder.cache_document import (
    BadCacheDocument,
    CacheDocument,
    document_of,
    encode,
    inline_document,
    layers_of,
    on_the_way_to,
)
from sampan.builder.cache_import import Imported
from sampan.builder.results import State
from sampan.engine.build_bases import CredentialSource
from sampan.engine.build_cache_layout import LayoutLayers, read_layout, write_layout
from sampan.engine.build_cache_registry import RegistryCaches
from sampan.engine.images.layers import LayersHere
from sampan.errors import InvalidArgument, SampanError, Unsupported
from sampan.lib.workers import Workers
from sampan.oci.descriptor import Descriptor
from sampan.oci.image_config import ImageSpec
from sampan.oci.reference import parse_reference
from sampan.store.content import ContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Lease, Leases
from sampan.store.snapshots import Snapshotter

INLINE, REGISTRY, LOCAL = "inline", "registry", "local"
_MODES = frozenset({"min", "max"})


class CacheTypeUnsupported(Unsupported):
    def __init__(self, kind: str) -> None:
        super().__init__(f"build caches of type {kind} are not supported by this engine")


class MissingCacheOption(InvalidArgument):
    def __init__(self, kind: str, option: str) -> None:
        super().__init__(f"build cache of type {kind} needs {option}=")


@dataclass(frozen=True, slots=True)
class CacheOption:
    """One `--cache-from` or `--cache-to`."""

    kind: str
    options: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Raises MissingCacheOption."""
        value = self.options.get(name, "")
        if not value:
            raise MissingCacheOption(self.kind, name)
        return value

    @property
    def everything(self) -> bool:
        return self.options.get("mode", "min") == "max"


def check_targets(targets: Sequence[CacheOption]) -> None:
    """Before anything is built. Raises CacheTypeUnsupported, InvalidArgument."""
    for target in targets:
        mode = target.options.get("mode", "min")
        if mode not in _MODES:
            raise InvalidArgument(f"unsupported cache export mode: {mode}")
        match target.kind:
            case "inline":
                continue
            case "registry":
                parse_reference(target.get("ref"))
            case "local":
                target.get("dest")
            case _:
                raise CacheTypeUnsupported(target.kind)


class BuildCaches:
    """One of the daemon."""

    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        leases: Leases,
        registries: RegistryCaches,
        workers: Workers,
    ) -> None:
        self._images = images
        self._content = content
        self._leases = leases
        self._here = LayersHere(images, content, snapshots)
        self._registries = registries
        self._workers = workers

    async def sources(
        self,
        wanted: Sequence[CacheOption],
        credentials: CredentialSource,
        note: Callable[[str], None],
    ) -> list[Imported]:
        """`note` is told of those that can't be had. Nothing of layers is fetched yet."""
        found = []
        for option in wanted:
            try:
                source = await self._source(option, credentials)
            except (SampanError, OSError) as error:
                note(f"the build cache {_shown(option)} is not used: {error}")
                continue
            if source is not None:
                found.append(source)
        return found

    async def write(
        self,
        target: CacheOption,
        steps: Sequence[Made],
        result: State,
        credentials: CredentialSource,
    ) -> None:
        """Raises what the registry or the directory says. `inline` is the builder's."""
        chosen = list(steps) if target.everything else on_the_way_to(result, steps)
        layers = layers_of(chosen)

        def document(blobs: Mapping[str, Descriptor]) -> CacheDocument:
            known = {one.diff_id: blobs[one.diff_id] for one in layers if one.diff_id in blobs}
            return document_of(chosen, known, self._content.read)

        with self._leases.hold() as lease:
            for layer in layers:
                lease.add_content(layer.blob.digest)
            if target.kind == REGISTRY:
                reference = parse_reference(target.get("ref")).with_default_tag()
                await self._registries.push(
                    reference,
                    layers,
                    lambda blobs: encode(document(blobs)),
                    await credentials.for_domain(reference.domain),
                    lease,
                )
            elif target.kind == LOCAL:
                blobs: dict[str, Descriptor] = {one.diff_id: one.blob for one in layers}
                data = await self._workers.run(lambda: encode(document(blobs)))
                path = Path(target.get("dest"))
                await self._workers.run(
                    write_layout, path, data, list(blobs.values()), self._content
                )

    async def _source(self, option: CacheOption, credentials: CredentialSource) -> Imported | None:
        if option.kind == LOCAL:
            path = Path(option.get("src"))
            document = await self._workers.run(read_layout, path)
            layout = LayoutLayers(path, self._here, self._content, self._workers)
            return Imported(document, layout)
        if option.kind not in {REGISTRY, INLINE}:
            raise CacheTypeUnsupported(option.kind)
        reference = parse_reference(option.get("ref"))
        here = await self._workers.run(self._of_image, str(reference))
        if here is not None:
            return here
        if option.kind == INLINE:
            return None
        return await self._registries.fetch(
            reference, self._here, await credentials.for_domain(reference.domain)
        )

    def _of_image(self, name: str) -> Imported | None:
        """The inline cache of an image that is here."""
        try:
            image = self._images.resolve(name)
            document = inline_document(self._content.read(image.id), image.layers)
        except (SampanError, BadCacheDocument):
            return None
        return None if document is None else Imported(document, _StoredLayers(self._here))


class _StoredLayers:
    """See cache_import.LayerBlobs: those of an image that is here."""

    def __init__(self, here: LayersHere) -> None:
        self._here = here

    async def fetch(
        self, spec: ImageSpec, layers: Sequence[Descriptor], lease: Lease
    ) -> tuple[Descriptor, ...]:
        found = self._here.find(spec, layers, lease)
        missing = [layer.digest for one, layer in zip(found, layers, strict=True) if one is None]
        if missing:
            raise BadCacheDocument(f"layer {missing[0]} is not here")
        return tuple(one for one in found if one is not None)


def _shown(option: CacheOption) -> str:
    named = [f"{name}={value}" for name, value in sorted(option.options.items())]
    return ",".join([f"type={option.kind}", *named])
