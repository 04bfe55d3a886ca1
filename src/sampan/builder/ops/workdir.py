"""WORKDIR: a configuration change, and a layer with the directory where it didn't exist."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from sampan.builder import progress
from sampan.builder.cache_keys import Key, cache_key
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.graph import Result
from sampan.builder.ops.states import state_of
from sampan.builder.progress import Emit
from sampan.builder.workspace import Workspaces
from sampan.errors import InvalidArgument
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers
from sampan.linux.beneath import make_dirs_beneath


class NotADirectory(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"cannot mkdir: {path} is not a directory")


class WorkdirOp:
    """Missing parts of the path are made as root, mode 0755."""

    def __init__(
        self,
        path: str,
        record: StepRecord,
        *,
        workspaces: Workspaces,
        exporter: ImageExporter,
        workers: Workers,
    ) -> None:
        self._path = path
        self._record = record
        self._workspaces = workspaces
        self._exporter = exporter
        self._workers = workers

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        record = msgspec.to_builtins(self._record)
        return cache_key("workdir", inputs[0].identity, path=self._path, **record)

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        state = state_of(inputs[0])
        container = random_id()
        emit(progress.Running(container))
        async with self._workspaces.writable(state) as work:
            await self._workers.run(_make, work.path, self._path)
            layer = await work.commit()
            result = await self._workers.run(self._exporter.commit, state, layer, self._record)
        emit(progress.RunEnded(container))
        return result


def _make(root: Path, path: str) -> None:
    try:
        make_dirs_beneath(root, path)
    except NotADirectoryError:
        raise NotADirectory(path) from None
