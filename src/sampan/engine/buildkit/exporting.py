"""What becomes of a built image: a name in the store, or files for the client.

    moby, image    names in the store
    local          its files, into a directory of the client's
    tar            its files, as one archive
    docker, oci    the image, as `docker save` writes it

Without an exporter the result stays in the build cache. The keys of the answer are BuildKit's;
clients take the image's id from them.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from sampan.builder.directory import DirectoryTree
from sampan.builder.results import State
from sampan.engine.buildkit.sending import send_bytes, send_files
from sampan.engine.buildkit.sessions import Sessions
from sampan.engine.buildkit.vertices import VertexProgress, Vertices
from sampan.engine.builds import Builds
from sampan.engine.images.tag import Tagger
from sampan.errors import SampanError, Unsupported
from sampan.lib.bridge import Writable, produced
from sampan.lib.workers import Workers
from sampan.oci.reference import Reference, parse_reference
from sampan.store.diff import write_tree
from sampan.store.images import Image
from sampan.store.oci_save import ImageSaver
from sampan.wire.buildkit.control import CacheOptions, Exporter, SolveRequest

_TO_STORE = frozenset({"moby", "image"})
_ARCHIVES = frozenset({"docker", "oci"})
_TITLES = {
    "local": "exporting to client directory",
    "tar": "exporting to client tarball",
    "docker": "exporting to docker image format",
    "oci": "exporting to oci image format",
}


class ExporterUnsupported(Unsupported):
    def __init__(self, kind: str) -> None:
        super().__init__(f"exporter {kind!r} is not supported by this engine")


def exporters_of(request: SolveRequest) -> list[Exporter]:
    """Raises Unsupported before anything is built."""
    found = list(request.Exporters)
    if not found and request.ExporterDeprecated:
        found = [Exporter(request.ExporterDeprecated, request.ExporterAttrsDeprecated)]
    for exporter in found:
        if exporter.Type not in _TO_STORE and exporter.Type not in _TITLES:
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


class ResultExporter:
    """Tells the build's watchers what it does."""

    def __init__(
        self,
        *,
        tagger: Tagger,
        builds: Builds,
        sessions: Sessions,
        saver: ImageSaver,
        workers: Workers,
    ) -> None:
        self._tagger = tagger
        self._builds = builds
        self._sessions = sessions
        self._saver = saver
        self._workers = workers

    async def export(
        self, image: Image, exporters: Sequence[Exporter], *, session: str, vertices: Vertices
    ) -> Mapping[str, str]:
        answer = {
            "containerimage.digest": str(image.id),
            "containerimage.config.digest": str(image.id),
        }
        for number, exporter in enumerate(exporters):
            vertex = vertices.begin(_TITLES.get(exporter.Type, "exporting to image"))
            try:
                if exporter.Type in _TO_STORE:
                    names = await self._name(image, exporter, vertex)
                    if names:
                        answer["image.name"] = names
                else:
                    await self._send(image, exporter, number, session)
            except SampanError as error:
                vertex.fail(error.message)
                raise
            vertex.done()
        return answer if exporters else {}

    async def _name(self, image: Image, exporter: Exporter, vertex: VertexProgress) -> str:
        vertex.status("exporting layers", done=True)
        vertex.status(f"writing image {image.id}", done=True)
        names = _names(exporter)
        for name in names:
            await self._tagger.give_name(image, name)
            vertex.status(f"naming to {name}", done=True)
        return ",".join(str(name) for name in names)

    async def _send(self, image: Image, exporter: Exporter, number: int, session: str) -> None:
        caller = await self._sessions.get(session)
        if exporter.Type in _ARCHIVES:
            write = partial(self._saver.save, [(image, _names(exporter))])
            await send_bytes(caller, number, produced(self._workers, write))
            return
        async with self._builds.files_of(State(image)) as tree:
            if exporter.Type == "tar":
                write_files = partial(_write_files, tree)
                await send_bytes(caller, number, produced(self._workers, write_files))
            else:
                await send_files(caller, number, tree, self._workers)


def _write_files(tree: DirectoryTree, out: Writable) -> None:
    write_tree(tree.root, out)
