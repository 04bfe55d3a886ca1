"""The files of a build, fetched from its client: Dockerfile, ignore file, context.

The Dockerfile and the ignore file come first. The context comes when a step first needs it, and
only the paths that the Dockerfile's COPY and ADD name; triggers of base images and sources with
variables in them need all of it. What an ignore file excludes is never sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sampan.builder.context import (
    ContextFileMissing,
    ContextPathForbidden,
    ContextTree,
    NotAFile,
)
from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.dockerfile.run_mounts import MountKind
from sampan.builder.dockerfile.stages import Dockerfile
from sampan.builder.given import GivenFiles
from sampan.builder.trees import Tree
from sampan.engine.buildkit.transfer import fetch
from sampan.engine.buildkit.vertices import Vertices
from sampan.errors import InvalidArgument, SampanError
from sampan.rpc.calls import Caller

IGNORE_FILE = ".dockerignore"

CallerOf = Callable[[str], Awaitable[Caller]]  # by the name of a client's directory


class DockerfileMissing(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"failed to read dockerfile: open {name}: no such file or directory")


@dataclass(frozen=True, slots=True)
class DockerfileText:
    """`ignore` is the text of `<name>.dockerignore`, None when there is no such file."""

    name: str
    text: str
    ignore: str | None


class ClientFiles:
    """What one build fetches; the spools go away with it."""

    def __init__(self, *, caller_of: CallerOf, vertices: Vertices, scratch: Path) -> None:
        self._caller_of = caller_of
        self._vertices = vertices
        self._scratch = scratch
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    async def dockerfile(self, directory: str, name: str) -> DockerfileText:
        """Raises DockerfileMissing, EmptyDockerfile."""
        own_ignore = f"{name}{IGNORE_FILE}"
        lower = name.lower()
        tree = await self._fetch(
            f"[internal] load build definition from {name}",
            "transferring dockerfile:",
            directory,
            only=list(dict.fromkeys((name, own_ignore, lower))),
        )
        for wanted in dict.fromkeys((name, lower)):
            text = _text(tree, wanted)
            if text is not None:
                return DockerfileText(wanted, text, _text(tree, own_ignore))
        raise DockerfileMissing(name)

    async def ignore_rules(self, directory: str) -> str:
        """The text of `.dockerignore`; empty when there is none."""
        tree = await self._fetch(
            f"[internal] load {IGNORE_FILE}", "transferring context:", directory, only=[IGNORE_FILE]
        )
        return _text(tree, IGNORE_FILE) or ""

    async def directory(
        self, title: str, directory: str, *, only: Sequence[str] = (), without: Sequence[str] = ()
    ) -> ContextTree:
        return await self._fetch(title, "transferring context:", directory, only, without)

    async def _fetch(
        self,
        title: str,
        label: str,
        directory: str,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> ContextTree:
        vertex = self._vertices.begin(title)
        size_bytes = 0

        def on_progress(current: int) -> None:
            nonlocal size_bytes
            size_bytes = current
            vertex.status(label, current=current, name="transferring")

        try:
            tree = await fetch(
                await self._caller_of(directory),
                directory,
                scratch=self._scratch,
                on_progress=on_progress,
                only=only,
                without=without,
            )
        except SampanError as error:
            vertex.fail(error.message)
            raise
        except asyncio.CancelledError:
            vertex.fail("context canceled")
            raise
        self._stack.enter_context(tree)
        vertex.status(label, current=size_bytes, done=True, name="transferring")
        vertex.done()
        return tree


class FetchedContext:
    """See ops.source.Context. `only` are the paths that the Dockerfile names, None for all;
    `ignore` is None for a directory whose own ignore file has still to be fetched."""

    def __init__(
        self, files: ClientFiles, directory: str, *, ignore: str | None, only: Sequence[str] | None
    ) -> None:
        self._files = files
        self._directory = directory
        self._ignore = ignore
        self._only = only
        self._trees: dict[bool, ContextTree] = {}

    async def tree(self, *, whole: bool) -> Tree:
        whole = whole or self._only is None
        if not whole and not self._only:
            return GivenFiles()  # nothing is named, and no path at all would mean everything
        if whole not in self._trees:
            if self._ignore is None:
                self._ignore = await self._files.ignore_rules(self._directory)
            rules = IgnoreRules(self._ignore)
            tree = await self._files.directory(
                "[internal] load build context",
                self._directory,
                only=[] if whole else self._only or [],
                without=ignore_patterns(self._ignore),
            )
            # Links that lead to an excluded path bring it along.
            self._trees[whole] = tree.without(rules.excluded) if rules else tree
        return self._trees[whole]


def ignore_patterns(text: str) -> list[str]:
    """The lines that count, as clients take them."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def named_paths(file: Dockerfile) -> list[str] | None:
    """The paths of the context that instructions name; None when that can't be known yet."""
    found: dict[str, None] = {}
    for stage in file.stages:
        for step in stage.instructions:
            for source in _context_sources(step):
                path = source.lstrip("/")
                if "$" in path or path.strip("./") == "" or ".." in path.split("/"):
                    return None
                found[path.removeprefix("./").replace("/./", "/")] = None
    return list(found)


def _context_sources(step: kinds.Instruction) -> list[str]:
    """As written; empty for the whole context."""
    if isinstance(step, kinds.Copy) and not step.from_stage:
        inline = {heredoc.word for heredoc in step.heredocs}
        return [one for one in step.sources if one not in inline and "://" not in one]
    if isinstance(step, kinds.Run):
        return [
            mount.source
            for mount in step.mounts
            if not mount.source_name and (mount.kind == MountKind.BIND or "$" in mount.kind)
        ]
    return []


def _text(tree: ContextTree, name: str) -> str | None:
    try:
        return tree.read_text(name)
    except (ContextFileMissing, ContextPathForbidden, NotAFile):
        return None
