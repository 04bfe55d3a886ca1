"""What becomes of a built image: a name in the store, or files for the client.

    moby, image    names in the store; with push=true in their registries too
    local          its files, into a directory of the client's
    tar            its files, as one archive
    docker, oci    the image, as `docker save` writes it

Without an exporter the result stays in the build cache. The keys of the answer are BuildKit's;
clients take the image's id from them. Files of builds with an epoch (builder/epoch.py) aren't
younger than it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sampan.builder.directory import DirectoryTree
from sampan.builder.results import State
from sampan.engine.buildkit.credentials import SessionCredentials
from sampan.engine.buildkit.sending import send_bytes, send_files
from sampan.engine.buildkit.sessions import Sessions
from sampan.engine.buildkit.vertices import VertexProgress, Vertices
from sampan.engine.builds import Builds
from sampan.engine.images.push import Pusher
from sampan.engine.images.tag import Tagger
from sampan.errors import InvalidArgument, SampanError, Unsupported
from sampan.lib.bridge import Writable, produced
from sampan.lib.workers import Workers
from sampan.oci.reference import Reference, parse_reference
from sampan.store.diff import write_tree
from sampan.store.images import Image
from sampan.store.oci_save import ImageSaver
from sampan.wire.buildkit.control import Exporter, SolveRequest

_TO_STORE = frozenset({"moby", "image"})
_ARCHIVES = frozenset({"docker", "oci"})
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_UNBUILT = ("push-by-digest", "name-canonical")
_TITLES = {
    "local": "exporting to client directory",
    "tar": "exporting to client tarball",
    "docker": "exporting to docker image format",
    "oci": "exporting to oci image format",
}


class ExporterUnsupported(Unsupported):
    def __init__(self, kind: str) -> None:
        super().__init__(f"exporter {kind!r} is not supported by this engine")


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build with an image ends with."""

    image: Image
    epoch_ns: int | None = None


class NothingToName(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("tag is needed when pushing to registry")


def exporters_of(request: SolveRequest) -> list[Exporter]:
    """Raises Unsupported before anything is built."""
    found = list(request.Exporters)
    if not found and request.ExporterDeprecated:
        found = [Exporter(request.ExporterDeprecated, request.ExporterAttrsDeprecated)]
    for exporter in found:
        if exporter.Type not in _TO_STORE and exporter.Type not in _TITLES:
            raise ExporterUnsupported(exporter.Type)
        _check(exporter)
    return found


def _check(exporter: Exporter) -> None:
    names = _names(exporter)
    if exporter.Type in _TO_STORE and _on(exporter, "push") and not names:
        raise NothingToName
    for option in _UNBUILT:
        if _on(exporter, option):
            raise Unsupported(f"{option}=true of exporter {exporter.Type} is not supported")
    if exporter.Type in _ARCHIVES and exporter.Attrs.get("tar", "true") not in _TRUE:
        raise Unsupported(f"tar=false of exporter {exporter.Type} is not supported")


def _on(exporter: Exporter, option: str) -> bool:
    """A switch with an empty value is on."""
    return option in exporter.Attrs and exporter.Attrs[option] in {*_TRUE, ""}


def _names(exporter: Exporter) -> list[Reference]:
    names = filter(None, exporter.Attrs.get("name", "").split(","))
    return [parse_reference(name).with_default_tag() for name in names]


class ResultExporter:
    """Tells the build's watchers what it does."""

    def __init__(
        self,
        *,
        tagger: Tagger,
        pusher: Pusher,
        builds: Builds,
        sessions: Sessions,
        saver: ImageSaver,
        workers: Workers,
    ) -> None:
        self._tagger = tagger
        self._pusher = pusher
        self._builds = builds
        self._sessions = sessions
        self._saver = saver
        self._workers = workers

    async def export(
        self,
        result: BuildResult,
        exporters: Sequence[Exporter],
        *,
        session: str,
        vertices: Vertices,
    ) -> Mapping[str, str]:
        image = result.image
        answer = {
            "containerimage.digest": str(image.id),
            "containerimage.config.digest": str(image.id),
        }
        for number, exporter in enumerate(exporters):
            vertex = vertices.begin(_TITLES.get(exporter.Type, "exporting to image"))
            try:
                if exporter.Type in _TO_STORE:
                    answer |= await self._to_store(image, exporter, session, vertex)
                else:
                    await self._send(result, exporter, number, session)
            except SampanError as error:
                vertex.fail(error.message)
                raise
            except asyncio.CancelledError:
                vertex.fail("context canceled")
                raise
            vertex.done()
        return answer if exporters else {}

    async def _to_store(
        self, image: Image, exporter: Exporter, session: str, vertex: VertexProgress
    ) -> dict[str, str]:
        vertex.status("exporting layers", done=True)
        vertex.status(f"writing image {image.id}", done=True)
        names = _names(exporter)
        for name in names:
            await self._tagger.give_name(image, name)
            vertex.status(f"naming to {name}", done=True)
        if not names:
            await self._builds.keep_result(image.id)
        answer = {"image.name": ",".join(str(name) for name in names)} if names else {}
        if _on(exporter, "push"):
            for name in names:
                answer |= await self._push(name, session, vertex)
        return answer

    async def _push(self, name: Reference, session: str, vertex: VertexProgress) -> dict[str, str]:
        """With the credentials of the client."""
        credentials = await SessionCredentials(partial(self._sessions.get, session)).for_domain(
            name.domain
        )
        told: Mapping[str, object] = {}
        async for item in self._pusher.push(name.name, tag=name.tag or "", credentials=credentials):
            told = item.get("aux") or told
            _show_push(item, name, vertex)
        vertex.status(f"pushing manifest for {name}", done=True)
        digest = str(told.get("Digest", ""))
        return {"containerimage.digest": digest} if digest else {}

    async def _send(
        self, result: BuildResult, exporter: Exporter, number: int, session: str
    ) -> None:
        caller = await self._sessions.get(session)
        if exporter.Type in _ARCHIVES:
            write = partial(self._saver.save, [(result.image, _names(exporter))])
            await send_bytes(caller, number, produced(self._workers, write))
            return
        async with self._builds.files_of(State(result.image)) as tree:
            if exporter.Type == "tar":
                write_files = partial(_write_files, tree, result.epoch_ns)
                await send_bytes(caller, number, produced(self._workers, write_files))
            else:
                await send_files(caller, number, tree, self._workers, latest_ns=result.epoch_ns)


def _show_push(item: Mapping[str, Any], name: Reference, vertex: VertexProgress) -> None:
    """Rows of layers that are being sent."""
    detail = item.get("progressDetail") or {}
    layer, text = str(item.get("id", "")), str(item.get("status", ""))
    if not layer or text in {"Preparing", "Waiting"}:
        return
    vertex.status(
        f"pushing layer {layer}",
        current=int(detail.get("current") or 0),
        total=int(detail.get("total") or 0),
        done=text != "Pushing",
    )


def _write_files(tree: DirectoryTree, epoch_ns: int | None, out: Writable) -> None:
    write_tree(tree.root, out, latest_ns=epoch_ns)
