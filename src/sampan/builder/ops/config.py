"""Instructions that change the configuration only: ENV, LABEL, CMD and the like."""

from collections.abc import Sequence

import msgspec

from sampan.builder import progress
from sampan.builder.cache_keys import Key, cache_key
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.graph import Result
from sampan.builder.ops.states import state_of
from sampan.builder.progress import Emit
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers


class ConfigOp:
    """The new configuration is in `record`; no file is touched, so there is no layer."""

    def __init__(
        self,
        record: StepRecord,
        *,
        exporter: ImageExporter,
        workers: Workers,
        notice: str = "",
    ) -> None:
        self._record = record
        self._exporter = exporter
        self._workers = workers
        self._notice = notice

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        record = msgspec.to_builtins(self._record)
        return cache_key("config", inputs[0].identity, **record)

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        if self._notice:
            emit(progress.Notice(self._notice))
        # The classic builder makes a container even for these, and clients expect its lines.
        container = random_id()
        emit(progress.Running(container))
        state = await self._workers.run(
            self._exporter.commit, state_of(inputs[0]), None, self._record
        )
        emit(progress.RunEnded(container))
        return state
