"""How RUN steps are executed: a Protocol that the engine implements.

One session serves one build: what its steps share (the network sandbox) is made by the first step
that runs and goes away with the session.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sampan.wire.containers import HostSettings

OnOutput = Callable[[bytes, bool], Awaitable[None]]  # data, is it standard error?


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMount:
    """A bind of `source`, or a tmpfs when there is none. `source` is a path of ours that no step
    can change; `target` is absolute in the step's root, and the mount point is there.
    `guarded` adds nosuid, nodev and noexec."""

    target: str
    source: Path | None = None
    readonly: bool = False
    guarded: bool = False
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecStep:
    """One program: `id` names its container, `env` is whole, `user` is as USER has it.

    `network` is "none" or "host" for a step that is not in the build's network.
    """

    id: str
    rootfs: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    user: str
    mounts: tuple[StepMount, ...] = ()
    network: str = ""


class StepSession(Protocol):
    async def run(self, step: ExecStep, output: OnOutput) -> int:
        """Run to the end and return the exit code; cancellation kills everything in it.

        Raises a SampanError when the program can't be started.
        """
        ...


class StepExecutor(Protocol):
    """`host` carries the limits, the network mode and the extra hosts that the client asked for."""

    def session(self, host: HostSettings) -> AbstractAsyncContextManager[StepSession]: ...
