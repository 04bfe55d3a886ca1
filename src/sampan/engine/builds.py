"""Builds: the use case behind POST /build.

The body is read to its end before anything is answered, into the build's scratch directory

    <data root>/tmp/build-<id>/      context spool, downloads, mount points of steps

which goes away with the build; `clean` removes what a dead daemon left there. Tags are given when
everything has succeeded.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.builder.build import Builder
from sampan.builder.build_spec import BuildSpec
from sampan.builder.cache import BuildCache, Cache, CacheFrom
from sampan.builder.cache_import import CacheWithImports, Imported
from sampan.builder.cache_mounts import CacheMounts
from sampan.builder.context import (
    ContextFileMissing,
    ContextTree,
    directory_context,
    ignore_rules,
    read_context,
    single_dockerfile,
)
from sampan.builder.directory import DirectoryTree
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.dockerfile.stages import Dockerfile, parse_dockerfile
from sampan.builder.executor import StepExecutor
from sampan.builder.lower.scope import unused_arguments
from sampan.builder.ops.source import GivenContext
from sampan.builder.results import State
from sampan.builder.workspace import Workspaces
from sampan.engine.build_bases import (
    BasePuller,
    CredentialSource,
    GivenCredentials,
    StoredBases,
)
from sampan.engine.build_caches import INLINE, BuildCaches, CacheOption
from sampan.engine.build_messages import Messages, told
from sampan.engine.build_remote import UrlDownloader
from sampan.engine.build_rendering import Message, stream
from sampan.engine.build_request import DEFAULT_DOCKERFILE, BuildRequest
from sampan.engine.images.tag import Tagger
from sampan.errors import InvalidArgument
from sampan.lib.bridge import consumed
from sampan.lib.cleanup import shielded
from sampan.lib.ids import short
from sampan.lib.tarstream import CorruptTar
from sampan.lib.workers import Workers
from sampan.linux import mounts
from sampan.oci.digest import Digest
from sampan.store.content import ContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.snapshots import Snapshotter
from sampan.store.unpack import Unpacker

_PREFIX = "build-"
_STEP_SNAPSHOTS = "build-"


class EmptyDockerfile(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"the Dockerfile ({name}) cannot be empty")


class Builds:
    """Facade for the server. `scratch` is a directory of this daemon, on the store's disk."""

    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        leases: Leases,
        cache: BuildCache,
        puller: BasePuller,
        executor: StepExecutor,
        cache_mounts: CacheMounts,
        tagger: Tagger,
        caches: BuildCaches,
        unpacker: Unpacker,
        workers: Workers,
        scratch: Path,
    ) -> None:
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._leases = leases
        self._cache = cache
        self._puller = puller
        self._executor = executor
        self._cache_mounts = cache_mounts
        self._tagger = tagger
        self._unpacker = unpacker
        self.caches = caches
        self._workers = workers
        self._scratch = scratch

    def build(self, request: BuildRequest, body: AsyncIterator[bytes]) -> AsyncIterator[Message]:
        """The classic protocol's objects. Raises, before the first one, what is wrong with the
        request, the context or the Dockerfile."""

        async def work(messages: Messages) -> None:
            await self._build(request, body, messages)

        return told(work, quiet=request.quiet)

    async def keep_result(self, image: Digest) -> None:
        """Of an image that its user knows by id only: pruning the cache doesn't take it."""
        await self._cache.keep_result(image)

    def clean(self) -> None:
        """At start, blocking: remove what builds of a dead daemon left."""
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        mounts.unmount_below(self._scratch)
        for path in self._scratch.glob(f"{_PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)
        for snapshot in list(self._snapshots.walk()):
            if not snapshot.committed and snapshot.key.startswith(_STEP_SNAPSHOTS):
                self._snapshots.remove(snapshot.key)

    async def _build(
        self, request: BuildRequest, body: AsyncIterator[bytes], messages: Messages
    ) -> None:
        async with self.scratch_directory() as scratch:
            downloader = UrlDownloader(scratch, self._workers)
            context = await self._context(request, body, scratch, downloader)
            with context:
                dockerfile, visible, rules = await self._workers.run(
                    _read, context, request.dockerfile
                )
                dockerfile.up_to(request.target)
                spec = BuildSpec(
                    dockerfile=dockerfile,
                    target=request.target,
                    build_args=request.build_args,
                    labels=request.labels,
                    use_cache=request.use_cache,
                    pull=request.pull,
                    squash=request.squash,
                    excluded=rules.excluded,
                    name=request.tags[0].name if request.tags else "",
                    filename=request.dockerfile,
                    platform=request.platform,
                    host=request.host,
                )
                credentials = GivenCredentials(request.credentials)
                imports = await self.caches.sources(
                    [CacheOption(INLINE, {"ref": name}) for name in request.cache_from],
                    credentials,
                    lambda text: messages.put(stream(f"{text}\n")),
                )
                builder = self.builder(credentials, cache_from=request.cache_from, imports=imports)
                state = await builder.build(
                    spec,
                    GivenContext(visible),
                    downloader=downloader,
                    scratch=scratch,
                    emit=messages,
                )
        identifier = Digest(state.identity)
        unused = unused_arguments(dockerfile, request.build_args)
        await self._finish(request, identifier, unused, messages)

    async def _finish(
        self, request: BuildRequest, identifier: Digest, unused: list[str], messages: Messages
    ) -> None:
        if request.quiet:
            messages.put(stream(f"{identifier}\n"))
        else:
            if unused:
                names = " ".join(unused)
                messages.put(
                    stream(f"[Warning] One or more build-args [{names}] were not consumed\n")
                )
            messages.put(stream(f"Successfully built {short(identifier)}\n"))
        if not request.tags:
            await self.keep_result(identifier)
        image = await self._workers.run(self._images.get, identifier)
        for reference in request.tags:
            await self._tagger.give_name(image, reference)
            if not request.quiet:
                messages.put(stream(f"Successfully tagged {reference.familiar}\n"))

    def builder(
        self,
        credentials: CredentialSource,
        *,
        cache_from: Sequence[str] = (),
        imports: Sequence[Imported] = (),
    ) -> Builder:
        """`cache_from` narrows the cache to the steps of these images, `imports` widen it."""
        bases = StoredBases(
            images=self._images,
            puller=self._puller,
            workers=self._workers,
            credentials=credentials,
        )
        cache: Cache = self._cache
        if cache_from:
            cache = CacheFrom(self._cache, cache_from, self._images, self._workers)
        if imports:
            cache = CacheWithImports(
                cache,
                imports,
                images=self._images,
                unpacker=self._unpacker,
                leases=self._leases,
                workers=self._workers,
            )
        return Builder(
            images=self._images,
            content=self._content,
            snapshots=self._snapshots,
            unpacker=self._unpacker,
            leases=self._leases,
            cache=cache,
            base_images=bases,
            executor=self._executor,
            cache_mounts=self._cache_mounts,
            workers=self._workers,
        )

    @asynccontextmanager
    async def files_of(self, state: State) -> AsyncIterator[DirectoryTree]:
        """The file system of a built image, mounted for a while."""
        async with self.scratch_directory() as scratch:
            with self._leases.hold() as lease:
                workspaces = Workspaces(
                    snapshots=self._snapshots,
                    content=self._content,
                    unpacker=self._unpacker,
                    lease=lease,
                    workers=self._workers,
                    scratch=scratch,
                )
                async with workspaces.readable(state) as tree:
                    yield tree

    @asynccontextmanager
    async def scratch_directory(self) -> AsyncIterator[Path]:
        """A directory that goes away with its build."""
        path = Path(await self._workers.run(tempfile.mkdtemp, prefix=_PREFIX, dir=self._scratch))
        try:
            yield path
        finally:
            await shielded(lambda: self._workers.run(shutil.rmtree, path), what="build scratch")

    async def _context(
        self,
        request: BuildRequest,
        body: AsyncIterator[bytes],
        scratch: Path,
        downloader: UrlDownloader,
    ) -> ContextTree:
        if not request.remote:
            return await consumed(self._workers, body, lambda feed: read_context(feed, scratch))
        async for _ in body:
            pass
        keep = request.build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") in {"1", "true"}
        path = await downloader.context(request.remote, keep_git_dir=keep)
        return await self._workers.run(remote_context, path, scratch)


def remote_context(path: Path, scratch: Path) -> ContextTree:
    """A directory, a tar, or anything else taken for a Dockerfile."""
    if path.is_dir():
        return directory_context(path, scratch)
    with path.open("rb") as source:
        try:
            return read_context(source, scratch)
        except CorruptTar:
            source.seek(0)
            return single_dockerfile(source.read(), DEFAULT_DOCKERFILE, scratch)


def _read(context: ContextTree, name: str) -> tuple[Dockerfile, ContextTree, IgnoreRules]:
    """The Dockerfile, the context as COPY sees it (without what .dockerignore excludes), and the
    rules of that."""
    wanted = name or DEFAULT_DOCKERFILE
    try:
        text = context.read_text(wanted)
    except ContextFileMissing:
        if name not in {"", DEFAULT_DOCKERFILE}:
            raise
        wanted = DEFAULT_DOCKERFILE.lower()
        text = _lower_case(context, wanted)
    if not text:
        raise EmptyDockerfile(wanted)
    rules = ignore_rules(context, wanted)
    visible = context.without(rules.excluded) if rules else context
    return parse_dockerfile(text), visible, rules


def _lower_case(context: ContextTree, name: str) -> str:
    try:
        return context.read_text(name)
    except ContextFileMissing:
        raise ContextFileMissing(DEFAULT_DOCKERFILE) from None
