"""RUN: one program in the file system so far; what it changed becomes a layer.

The key covers arguments, environment, working directory, user, network mode and platform, but not
limits and not proxy variables: neither is meant to change what comes out. Changes below declared
volumes are dropped, as the classic builder does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from sampan.builder import progress
from sampan.builder.cache import cache_key
from sampan.builder.executor import ExecStep, StepSession
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.graph import Result
from sampan.builder.ops.states import state_of
from sampan.builder.progress import Emit
from sampan.builder.workspace import Workspaces
from sampan.errors import Internal
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers
from sampan.linux import mounts


class CommandFailed(Internal):
    """`code` becomes the exit code of the client."""

    def __init__(self, argv: Sequence[str], code: int) -> None:
        super().__init__(f"The command '{' '.join(argv)}' returned a non-zero code: {code}")
        self.argv = tuple(argv)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`env` decides, `unkeyed_env` (proxies) is only handed over."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    unkeyed_env: Mapping[str, str]
    cwd: str
    user: str
    volumes: tuple[str, ...]
    network_mode: str


class ExecOp:
    def __init__(
        self,
        program: Program,
        record: StepRecord,
        *,
        session: StepSession,
        workspaces: Workspaces,
        exporter: ImageExporter,
        workers: Workers,
    ) -> None:
        self._program = program
        self._record = record
        self._session = session
        self._workspaces = workspaces
        self._exporter = exporter
        self._workers = workers

    async def key(self, inputs: Sequence[Result]) -> str | None:
        program = self._program
        return cache_key(
            "exec",
            inputs[0].identity,
            program.argv,
            dict(program.env),
            program.cwd,
            program.user,
            program.volumes,
            program.network_mode,
            msgspec.to_builtins(self._record),
        )

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        state = state_of(inputs[0])
        container = random_id()
        emit(progress.Running(container))
        async with self._workspaces.writable(state, runs=True) as work:
            program = self._program
            step = ExecStep(
                id=container,
                rootfs=work.path,
                argv=program.argv,
                env={**program.unkeyed_env, **program.env},
                cwd=program.cwd,
                user=program.user,
            )
            await self._workers.run(_make_volumes, work.path, program.volumes)
            code = await self._session.run(step, partial(_tell, emit))
            if code != 0:
                raise CommandFailed(program.argv, code)
            work.discarded = program.volumes
            layer = await work.commit()
            result = await self._workers.run(self._exporter.commit, state, layer, self._record)
        emit(progress.RunEnded(container))
        return result


def _make_volumes(root: Path, volumes: Sequence[str]) -> None:
    """Declared volumes are there for programs, and in the layer as empty directories."""
    for path in volumes:
        mounts.make_dirs_beneath(root, path)


async def _tell(emit: Emit, data: bytes, is_stderr: bool) -> None:
    emit(progress.Output(data, is_stderr))
    await emit.ready()
