"""What becomes of a built image: a name in the store, or files for the client.

`moby` and `image` give the image its names. Without an exporter the result stays in the build
cache. The keys of the answer are BuildKit's; clients take the image's id from them.
"""

from collections.abc import Mapping, Sequence

from sampan.engine.buildkit.vertices import Vertices
from sampan.engine.images.tag import Tagger
from sampan.errors import SampanError, Unsupported
from sampan.oci.reference import Reference, parse_reference
from sampan.store.images import Image
from sampan.wire.buildkit.control import CacheOptions, Exporter, SolveRequest

_TO_STORE = frozenset({"moby", "image"})


class ExporterUnsupported(Unsupported):
    def __init__(self, kind: str) -> None:
        super().__init__(f"exporter {kind!r} is not supported by this engine")


def exporters_of(request: SolveRequest) -> list[Exporter]:
    """Raises Unsupported before anything is built."""
    found = list(request.Exporters)
    if not found and request.ExporterDeprecated:
        found = [Exporter(request.ExporterDeprecated, request.ExporterAttrsDeprecated)]
    for exporter in found:
        if exporter.Type not in _TO_STORE:
            raise ExporterUnsupported(exporter.Type)
        if exporter.Attrs.get("push", "false") == "true":
            raise Unsupported("pushing from the builder is not supported by this engine")
        _names(exporter)
    _check_cache(request.Cache)
    return found


def _check_cache(options: CacheOptions | None) -> None:
    """An inline cache is nothing but our own images; other targets can't be written."""
    for entry in options.Exports if options is not None else ():
        if entry.Type != "inline":
            raise Unsupported(f"cache export of type {entry.Type} is not supported by this engine")


def _names(exporter: Exporter) -> list[Reference]:
    names = filter(None, exporter.Attrs.get("name", "").split(","))
    return [parse_reference(name).with_default_tag() for name in names]


class StoreExporter:
    """Names images, telling the build's watchers."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger

    async def export(
        self, image: Image, exporters: Sequence[Exporter], vertices: Vertices
    ) -> Mapping[str, str]:
        answer: dict[str, str] = {}
        for exporter in exporters:
            vertex = vertices.begin("exporting to image")
            try:
                vertex.status("exporting layers", done=True)
                vertex.status(f"writing image {image.id}", done=True)
                names = _names(exporter)
                for name in names:
                    await self._tagger.give_name(image, name)
                    vertex.status(f"naming to {name}", done=True)
            except SampanError as error:
                vertex.fail(error.message)
                raise
            vertex.done()
            answer["containerimage.digest"] = image.id
            answer["containerimage.config.digest"] = image.id
            if names:
                answer["image.name"] = ",".join(str(name) for name in names)
        return answer
