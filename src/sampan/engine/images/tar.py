"""`docker import`, `load` and `save`: images as archives."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from sampan.engine.images.changes import apply_changes
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.new_layer import LayerAdder
from sampan.engine.images.progress import status, stream
from sampan.engine.images.remote_archive import RemoteArchive, RemoteArchives, complete_url
from sampan.engine.images.reporting import Bars, Report, StorageFailed, reported
from sampan.engine.images.tag import Tagger, new_name
from sampan.errors import InvalidArgument, SampanError
from sampan.lib import gotime
from sampan.lib.bridge import consumed, produced
from sampan.lib.ids import short
from sampan.lib.workers import Workers
from sampan.oci.descriptor import Platform
from sampan.oci.image_config import History, ImageRunConfig, ImageSpec
from sampan.oci.platform import host_platform
from sampan.oci.reference import IdentifierAsName, InvalidReference, Reference, parse_reference
from sampan.store.images import Image, ImageStore, NoSuchImage
from sampan.store.oci_load import ImageLoader, Loaded
from sampan.store.oci_save import ImageSaver
from sampan.wire.progress import Progress, failure


class DigestImport(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("cannot import digest reference")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the imported image is to be, whatever is in the archive."""

    spec: ImageSpec
    entry: History
    reference: Reference | None


class Importer:
    def __init__(
        self,
        *,
        layers: LayerAdder,
        archives: RemoteArchives,
        tagger: Tagger,
        events: ImageEvents,
        workers: Workers,
    ) -> None:
        self._layers = layers
        self._archives = archives
        self._tagger = tagger
        self._events = events
        self._workers = workers

    async def import_(
        self,
        chunks: AsyncIterator[bytes],
        *,
        repo: str = "",
        tag: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> AsyncIterator[Progress]:
        """A one-layer image of a file system archive; its id is the only progress object."""
        wanted = _wanted(
            "-", repo=repo, tag=tag, changes=changes, message=message, platform=platform
        )
        image = await self._store(chunks, wanted)
        yield status(image.id)

    async def import_url(
        self,
        source: str,
        *,
        repo: str = "",
        tag: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> AsyncIterator[Progress]:
        """The same of an archive that a web server has."""
        wanted = _wanted(
            source, repo=repo, tag=tag, changes=changes, message=message, platform=platform
        )
        url = complete_url(source)

        async def work(report: Report) -> None:
            async with self._archives.open(url) as archive:
                report(status(f"Downloading from {url}"))
                image = await self._store(_counted(archive, report), wanted)
            report(status(image.id))

        async with aclosing(reported(work)) as items:
            async for item in items:
                yield {key: value for key, value in item.items() if value != "" or key != "id"}

    async def _store(self, chunks: AsyncIterator[bytes], wanted: _Wanted) -> Image:
        try:
            image = await self._layers.from_stream(chunks, wanted.spec, wanted.entry)
        except OSError as error:
            raise StorageFailed(what="failed to store image", error=error) from error
        if wanted.reference is not None:
            await self._tagger.give_name(image, wanted.reference)
        self._events.named("import", image, image.id)
        return image


class Loader:
    def __init__(
        self, *, loader: ImageLoader, images: ImageStore, events: ImageEvents, workers: Workers
    ) -> None:
        self._loader = loader
        self._images = images
        self._events = events
        self._workers = workers

    async def load(
        self,
        chunks: AsyncIterator[bytes],
        *,
        quiet: bool = False,
        platform: Platform | None = None,
    ) -> AsyncIterator[Progress]:
        """All images of an archive; `platform`: no others. A failure is the last object: clients
        look for it there."""

        async def work(report: Report) -> None:
            on_layer = None if quiet else layer_bars(report, self._workers)
            loaded = await consumed(
                self._workers, chunks, lambda source: self._loader.load(source, on_layer, platform)
            )
            for one in loaded:
                self._events.named("load", one.image, one.image.id)
                for line in _lines(one):
                    report(stream(line))

        async with aclosing(reported(work)) as items:
            try:
                async for item in items:
                    yield item
            except SampanError as error:
                yield failure(error.message)
            except OSError as error:
                yield failure(StorageFailed(what="failed to load image", error=error).message)


class Saver:
    def __init__(
        self, *, images: ImageStore, saver: ImageSaver, events: ImageEvents, workers: Workers
    ) -> None:
        self._images = images
        self._saver = saver
        self._events = events
        self._workers = workers

    async def save(self, names: Sequence[str]) -> AsyncIterator[bytes]:
        """One archive of all. Raises NoSuchImage before the first byte."""
        wanted = await self._workers.run(self._resolve, names)
        async with aclosing(
            produced(self._workers, lambda out: self._saver.save(wanted, out))  # type: ignore[type-var]
        ) as chunks:
            async for chunk in chunks:
                yield chunk
        for image, _ in wanted:
            self._events.named("save", image, image.id)

    def _resolve(self, names: Sequence[str]) -> list[tuple[Image, list[Reference]]]:
        """Each image once, with the names under which it was asked for."""
        found: dict[str, tuple[Image, list[Reference]]] = {}
        for name in names:
            for image, reference in self._resolve_one(name):
                _, references = found.setdefault(image.id, (image, []))
                if reference is not None and reference not in references:
                    references.append(reference)
        return list(found.values())

    def _resolve_one(self, name: str) -> list[tuple[Image, Reference | None]]:
        """A name without tag stands for all tags of the repository."""
        try:
            reference = parse_reference(name)
        except (InvalidReference, IdentifierAsName):
            return [(self._images.resolve(name), None)]
        if reference.tag is None and reference.digest is None:
            tagged = [
                (image, other)
                for image in self._images.list()
                for other in self._images.references(image.id)
                if other.name == reference.name
            ]
            if tagged:
                return sorted(tagged, key=lambda pair: str(pair[1]))
        elif image := self._images.find(reference):
            return [(image, reference if reference.digest is None else None)]
        try:
            return [(self._images.resolve(name), None)]
        except NoSuchImage:
            raise NoSuchImage(name) from None


def layer_bars(report: Report, workers: Workers) -> Callable[[str, int, int], None]:
    """For a worker thread: `Loading layer` bars, at a bearable rate, told to the loop."""
    bars = Bars(lambda item: workers.run_from_thread(report, item))

    def show(name: str, done: int, total: int) -> None:
        parts = name.split("/")
        row = short(parts[-2] if parts[-1] == "layer.tar" and len(parts) > 1 else parts[-1])
        bars.show("Loading layer", row, done, total)

    return show


async def _counted(archive: RemoteArchive, report: Report) -> AsyncIterator[bytes]:
    bars, done = Bars(report), 0
    async for chunk in archive.chunks:
        done += len(chunk)
        bars.show("Importing", "", done, archive.size_bytes)
        yield chunk


def _wanted(
    source: str,
    *,
    repo: str,
    tag: str,
    changes: Sequence[str],
    message: str,
    platform: Platform | None,
) -> _Wanted:
    reference = _import_name(repo, tag) if repo else None
    target = platform or host_platform()
    created = gotime.format_ns(gotime.now_ns())
    comment = message or f"Imported from {source}"
    spec = ImageSpec(
        architecture=target.architecture,
        os=target.os,
        variant=target.variant,
        created=created,
        comment=comment,
        config=apply_changes(ImageRunConfig(), changes),
    )
    return _Wanted(spec, History(created=created, comment=comment), reference)


def _import_name(repo: str, tag: str) -> Reference:
    reference = parse_reference(repo)
    if reference.digest is not None:
        raise DigestImport
    return new_name(repo, tag)


def _lines(loaded: Loaded) -> list[str]:
    lines = [
        f"The image {reference.familiar} already exists, renaming the old one with ID {before} "
        "to empty string\n"
        for reference, before in loaded.replaced
    ]
    lines += [f"Loaded image: {reference.familiar}\n" for reference in loaded.references]
    return lines if loaded.references else [f"Loaded image ID: {loaded.image.id}\n"]
