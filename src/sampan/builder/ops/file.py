"""COPY and ADD: files of the context, of another state, of here-documents or downloads.

Selection and content hash come first (they are the key), then the files are placed in a workspace.
An input beside the state to build on is either the context or the state named by --from.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec

from sampan.builder.cache import cache_key
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.given import GivenFiles
from sampan.builder.graph import Result
from sampan.builder.ops.states import state_of
from sampan.builder.placing import Placement, place
from sampan.builder.progress import Emit
from sampan.builder.results import Files
from sampan.builder.selection import NoSources, Selected, content_hash, select
from sampan.builder.trees import Tree
from sampan.builder.workspace import Workspaces
from sampan.errors import InvalidArgument, SampanError
from sampan.lib.tarstream import Entry
from sampan.lib.workers import Workers


class DownloadFailed(InvalidArgument):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"ADD failed: {reason}")
        self.url = url


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`name` is the last element of the URL's path, `path` a file that may be moved away."""

    path: Path
    name: str
    size_bytes: int
    mtime_ns: int


class Downloader(Protocol):
    async def download(self, url: str) -> Downloaded:
        """Raises a SampanError saying why not. The file lives as long as the build."""
        ...


class ManySources(InvalidArgument):
    def __init__(self, keyword: str) -> None:
        super().__init__(
            f"When using {keyword} with more than one source file, "
            "the destination must be a directory and end with a /"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Expanded. `destination` is absolute and keeps its trailing slash; `inline` are files whose
    content stands in the Dockerfile. `note` is what history shows before the hash."""

    keyword: str
    sources: tuple[str, ...]
    inline: tuple[tuple[str, bytes], ...]
    destination: str
    chown: str
    chmod: int | None
    is_add: bool
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
        self._downloader = downloader
        self._workspaces = workspaces
        self._exporter = exporter
        self._workers = workers
        self._given = GivenFiles()
        self._remote: set[str] = set()

    async def key(self, inputs: Sequence[Result]) -> str | None:
        transfer = self._transfer
        await self._gather()
        async with self._source(inputs) as tree:
            selected = await self._workers.run(self._select, tree, isinstance(inputs[1], Files))
            hashed = await self._workers.run(content_hash, selected)
        text = f"#(nop) {transfer.note}{hashed} in {transfer.destination} "
        self._record = replace(self._record, command=(*self._record.command, text))
        return cache_key(
            "file", inputs[0].identity, transfer.chmod, msgspec.to_builtins(self._record)
        )

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        state = state_of(inputs[0])
        from_context = isinstance(inputs[1], Files)
        async with self._source(inputs) as tree, self._workspaces.writable(state) as work:
            selected = await self._workers.run(self._select, tree, from_context)
            placement = Placement(
                destination=self._transfer.destination,
                chown=self._transfer.chown,
                chmod=self._transfer.chmod,
                keep_owner=not from_context,
                unpack=self._transfer.is_add,
                never_unpacked=frozenset(self._remote),
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

    async def _gather(self) -> None:
        """Here-documents and downloads become files of one small tree."""
        for name, content in self._transfer.inline:
            self._given.add(Entry(name=name, mode=0o644, size_bytes=len(content)), content)
        for source in self._transfer.sources:
            if not self._is_remote(source):
                continue
            try:
                found = await self._downloader.download(source)
            except SampanError as error:
                raise DownloadFailed(source, error.message) from error
            entry = Entry(
                name=found.name, mode=0o600, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns
            )
            self._given.add(entry, found.path)
            self._remote.add(found.name)

    def _is_remote(self, source: str) -> bool:
        return self._transfer.is_add and source.startswith(("http://", "https://"))

    def _select(self, tree: Tree, from_context: bool) -> list[Selected]:
        keyword = self._transfer.keyword
        selected: list[Selected] = []
        for source in self._transfer.sources:
            if not self._is_remote(source):
                selected += select(tree, source, keyword=keyword, from_context=from_context)
        for name in self._given.names(""):
            selected += select(self._given, name, keyword=keyword, from_context=True)
        if not selected:
            raise NoSources(keyword)
        if len(selected) > 1 and not self._transfer.destination.endswith("/"):
            raise ManySources(keyword)
        return selected
