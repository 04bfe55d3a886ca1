"""Named contexts of a request, and one build's result as the input of another.

    context:NAME = docker-image://alpine:3    an image
    context:NAME = local:NAME                 a directory of the client's
    context:NAME = input:KEY                  another build's result, in the request's inputs
    context:NAME = https://..., git@...       a repository or an archive, fetched when needed

Results travel through the client as an LLB definition, which it passes on without looking inside;
ours has one source operation that names the image by its id.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path

from sampan.builder.git_url import parse_git_url
from sampan.builder.named import Named, NamedFiles, NamedImage, NamedState
from sampan.builder.results import State
from sampan.builder.trees import Tree
from sampan.engine.build_remote import UrlDownloader
from sampan.engine.buildkit.context import ClientFiles, FetchedContext
from sampan.engine.builds import remote_context
from sampan.errors import InvalidArgument, Unsupported
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.images import ImageStore
from sampan.wire.buildkit.common import Definition, Op, OpInput, SourceOp
from sampan.wire.buildkit.protobuf import decode, encode

_RESULT = "docker-image://build-result.invalid/image@"
_IMAGE, _LOCAL, _INPUT = "docker-image://", "local:", "input:"


class UnknownInput(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"the input {name} is not a result of this engine")


def definition_of(state: State) -> Definition | None:
    """None for an empty result."""
    if state.image is None:
        return None
    source = encode(Op(source=SourceOp(f"{_RESULT}{state.image.id}")))
    digest = f"sha256:{hashlib.sha256(source).hexdigest()}"
    return Definition([source, encode(Op(inputs=[OpInput(digest)]))])


class RemoteContext:
    """See ops.source.Context. What was fetched lies in the build's scratch directory."""

    def __init__(
        self, url: str, downloader: UrlDownloader, scratch: Path, workers: Workers
    ) -> None:
        self._url = url
        self._downloader = downloader
        self._scratch = scratch
        self._workers = workers
        self._fetching: asyncio.Future[Tree] | None = None

    async def tree(self, *, whole: bool) -> Tree:
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._fetch())
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> Tree:
        path = await self._downloader.context(self._url)
        return await self._workers.run(remote_context, path, self._scratch)


class NamedContexts:
    """`inputs` are the results that came with the request."""

    def __init__(
        self,
        *,
        images: ImageStore,
        inputs: Mapping[str, Definition],
        downloader: UrlDownloader,
        scratch: Path,
        workers: Workers,
    ) -> None:
        self._images = images
        self._inputs = inputs
        self._downloader = downloader
        self._scratch = scratch
        self._workers = workers

    def resolve(self, named: Mapping[str, str], files: ClientFiles) -> dict[str, Named]:
        """Blocking. Raises Unsupported, UnknownInput."""
        return {name: self._meaning(name, value, files) for name, value in named.items()}

    def _meaning(self, name: str, value: str, files: ClientFiles) -> Named:
        if value.startswith(_IMAGE):
            return NamedImage(value.removeprefix(_IMAGE))
        if value.startswith(_LOCAL):
            directory = value.removeprefix(_LOCAL)
            return NamedFiles(FetchedContext(files, directory, ignore=None, only=None))
        if value.startswith(_INPUT):
            return NamedState(self._result(value.removeprefix(_INPUT)))
        if parse_git_url(value) is not None or value.startswith(("http://", "https://")):
            return NamedFiles(RemoteContext(value, self._downloader, self._scratch, self._workers))
        raise Unsupported(f"the named context {name}={value} is not supported by this engine")

    def _result(self, key: str) -> State:
        definition = self._inputs.get(key)
        for op in definition.ops if definition is not None else ():
            source = decode(Op, op).source
            if source is not None and source.identifier.startswith(_RESULT):
                digest = Digest(source.identifier.removeprefix(_RESULT))
                return State(self._images.get(digest))
        raise UnknownInput(key)
