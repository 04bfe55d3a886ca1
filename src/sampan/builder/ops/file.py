"""COPY and ADD: files of the context, of another state, of here-documents or downloads.

Selection and content hash come first (they are the key), then the files are placed in a workspace.
An input beside the state to build on is either the context or the state named by --from.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import msgspec

from sampan.builder.cache_keys import Key, cache_key
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.fetched import Downloader, Fetched, Wanted
from sampan.builder.graph import Result
from sampan.builder.modes import ModeChange
from sampan.builder.ops.states import state_of
from sampan.builder.placing import Placement, place
from sampan.builder.progress import Emit
from sampan.builder.results import Files
from sampan.builder.selection import (
    NoSources,
    Selected,
    content_hash,
    select,
    select_with_parents,
)
from sampan.builder.trees import Tree
from sampan.builder.workspace import Workspaces
from sampan.errors import InvalidArgument
from sampan.lib.workers import Workers
from sampan.store.image_records import LocalLayer


class ManySources(InvalidArgument):
    def __init__(self, keyword: str) -> None:
        super().__init__(
            f"When using {keyword} with more than one source file, "
            "the destination must be a directory and end with a /"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Expanded. `destination` is absolute and keeps its trailing slash; `note` is what history
    shows before the hash. `linked`: the files are a layer that knows nothing of those below."""

    keyword: str
    wanted: Wanted
    destination: str
    chown: str
    chmod: str
    change_mode: ModeChange | None
    unpack: bool | None
    parents: bool
    excludes: tuple[str, ...]
    linked: bool
    note: str


class FileOp:
    """`record.command` still lacks the content hash: its last word is completed here."""

    def __init__(
        self,
        transfer: Transfer,
        record: StepRecord,
        *,
        downloader: Downloader,
        workspaces: Workspaces,
        exporter: ImageExporter,
        workers: Workers,
    ) -> None:
        self._transfer = transfer
        self._record = record
        self._workspaces = workspaces
        self._exporter = exporter
        self._workers = workers
        self._fetched = Fetched(transfer.wanted, downloader, workers)

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        transfer = self._transfer
        await self._fetched.fetch()
        async with self._source(inputs) as tree:
            selected = await self._workers.run(self._select, tree, isinstance(inputs[1], Files))
            files: dict[str, str] = {}
            hashed = await self._workers.run(content_hash, selected, files)
        text = f"#(nop) {transfer.note}{hashed} in {transfer.destination} "
        self._record = replace(self._record, command=(*self._record.command, text))
        key = cache_key(
            "file",
            inputs[0].identity,
            files=files,
            chmod=transfer.chmod,
            unpack=transfer.unpack,
            linked=transfer.linked,
            **msgspec.to_builtins(self._record),
        )
        if not transfer.linked:
            return key
        apart = cache_key(
            "layer",
            "",
            text,
            chmod=transfer.chmod,
            unpack=transfer.unpack,
            from_context=isinstance(inputs[1], Files),
            epoch_ns=self._record.epoch_ns,
        )
        return replace(key, apart=apart.digest)

    async def put_on(self, inputs: Sequence[Result], layer: LocalLayer) -> Result:
        state = state_of(inputs[0])
        restacked = await self._workspaces.restack(state, layer)
        return await self._workers.run(self._exporter.commit, state, restacked, self._record)

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        state = state_of(inputs[0])
        from_context = isinstance(inputs[1], Files)
        transfer = self._transfer
        make = self._workspaces.stacked if transfer.linked else self._workspaces.writable
        async with self._source(inputs) as tree, make(state) as work:
            selected = await self._workers.run(self._select, tree, from_context)
            placement = Placement(
                destination=transfer.destination,
                chown=transfer.chown,
                chmod=transfer.change_mode,
                keep_owner=not from_context,
                unpack=transfer.unpack,
                downloads=frozenset(self._fetched.downloads),
            )
            await self._workers.run(place, work.path, selected, placement)
            layer = await work.commit()
            return await self._workers.run(self._exporter.commit, state, layer, self._record)

    @asynccontextmanager
    async def _source(self, inputs: Sequence[Result]) -> AsyncIterator[Tree]:
        source = inputs[1]
        if isinstance(source, Files):
            yield source.tree
            return
        async with self._workspaces.readable(state_of(source)) as tree:
            yield tree

    def _select(self, tree: Tree, from_context: bool) -> list[Selected]:
        transfer, fetched = self._transfer, self._fetched
        keyword = transfer.keyword
        choose = select_with_parents if transfer.parents else select
        selected: list[Selected] = []
        for source in fetched.local:
            selected += choose(tree, source, keyword=keyword, from_context=from_context)
        for name in fetched.files.names(""):
            selected += select(fetched.files, name, keyword=keyword, from_context=True)
        for repository in fetched.repositories:
            selected += select(repository, "", keyword=keyword, from_context=True)
        if not selected:
            raise NoSources(keyword)
        is_many = len(selected) > 1 and not transfer.parents
        if is_many and not transfer.destination.endswith("/"):
            raise ManySources(keyword)
        if transfer.excludes:
            rules = IgnoreRules(patterns=transfer.excludes)
            selected = [replace(one, excluded=rules) for one in selected]
        return selected
