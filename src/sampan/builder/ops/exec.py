"""RUN: one program in the file system so far; what it changed becomes a layer.

The key covers arguments, environment, working directory, user, network mode and platform, but not
limits and not proxy variables: neither is meant to change what comes out. Of mounts it covers what
they are, and for `bind` the content; what is in a cache or a secret never counts. Changes below
declared volumes are dropped, as the classic builder does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from sampan.builder import progress
from sampan.builder.cache_keys import Key, cache_key
from sampan.builder.dockerfile.run_mounts import MountKind
from sampan.builder.executor import ExecStep, StepMount, StepSession
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.graph import Result
from sampan.builder.ops.states import state_of
from sampan.builder.progress import Emit
from sampan.builder.results import Files
from sampan.builder.selection import Selected, content_hash
from sampan.builder.step_mounts import PlannedMount, StepMounts, find_source
from sampan.builder.trees import Tree
from sampan.builder.workspace import Workspace, Workspaces
from sampan.errors import Internal, InvalidArgument
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers
from sampan.linux.beneath import make_dirs_beneath


class MountPointInTheWay(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"cannot mount: {path} is not what is to be mounted there")


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
    network: str = ""  # of this step alone: "none" or "host"
    mounts: tuple[PlannedMount, ...] = ()


class ExecOp:
    def __init__(
        self,
        program: Program,
        record: StepRecord,
        *,
        session: StepSession,
        step_mounts: StepMounts,
        workspaces: Workspaces,
        exporter: ImageExporter,
        workers: Workers,
    ) -> None:
        self._program = program
        self._record = record
        self._session = session
        self._step_mounts = step_mounts
        self._workspaces = workspaces
        self._exporter = exporter
        self._workers = workers

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        program = self._program
        files: dict[str, str] = {}
        mounted = [await self._mount_key(one, inputs, files) for one in program.mounts]
        own: dict[str, object] = {"mounts": mounted} if mounted else {}
        if program.network:
            own["step_network"] = program.network
        return cache_key(
            "exec",
            inputs[0].identity,
            files=files,
            environment=program.env,
            argv=program.argv,
            cwd=program.cwd,
            user=program.user,
            volumes=program.volumes,
            network=program.network_mode,
            **(msgspec.to_builtins(self._record) | own),
        )

    async def _mount_key(
        self, planned: PlannedMount, inputs: Sequence[Result], files: dict[str, str]
    ) -> list[object]:
        mount = planned.mount
        known: list[object] = [mount.kind, mount.target, mount.readonly, mount.size_bytes]
        if mount.kind in {MountKind.SECRET, MountKind.SSH}:
            return [*known, mount.id, mount.env, mount.required]
        if not planned.source:
            return [*known, mount.source]
        source = inputs[planned.source]
        if isinstance(source, Files):
            return [*known, await self._workers.run(_content, source.tree, mount.source, files)]
        if not mount.source.strip("/"):
            return [*known, source.identity]
        async with self._workspaces.readable(state_of(source)) as tree:
            return [*known, await self._workers.run(_content, tree, mount.source, files)]

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        state = state_of(inputs[0])
        container = random_id()
        emit(progress.Running(container))
        program = self._program
        async with (
            self._step_mounts.prepared(program.mounts, inputs) as ready,
            self._workspaces.writable(state, runs=True) as work,
        ):
            step = ExecStep(
                id=container,
                rootfs=work.path,
                argv=program.argv,
                env={**program.unkeyed_env, **program.env, **ready.env},
                cwd=program.cwd,
                user=program.user,
                mounts=tuple(ready.mounts),
                network=program.network,
            )
            await self._workers.run(_make_volumes, work.path, program.volumes)
            await self._workers.run(_make_mount_points, work, step.mounts)
            code = await self._session.run(step, partial(_tell, emit))
            if code != 0:
                raise CommandFailed(program.argv, code)
            work.discarded = program.volumes
            layer = await work.commit()
            result = await self._workers.run(self._exporter.commit, state, layer, self._record)
        emit(progress.RunEnded(container))
        return result


def _content(tree: Tree, path: str, files: dict[str, str]) -> str:
    """The content address of what a mount shows."""
    found, _ = find_source(tree, path)
    entry = tree.find(found)
    assert entry is not None
    return content_hash([Selected(tree, found, "", entry)], files)


def _make_mount_points(work: Workspace, wanted: Sequence[StepMount]) -> None:
    points = [(one.target, one.source is None or one.source.is_dir()) for one in wanted]
    try:
        work.add_mount_points(points)
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise MountPointInTheWay(error.filename or "") from error


def _make_volumes(root: Path, volumes: Sequence[str]) -> None:
    """Declared volumes are there for programs, and in the layer as empty directories."""
    for path in volumes:
        make_dirs_beneath(root, path)


async def _tell(emit: Emit, data: bytes, is_stderr: bool) -> None:
    emit(progress.Output(data, is_stderr))
    await emit.ready()
