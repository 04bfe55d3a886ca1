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
class ExecStep:
    """One program: `id` names its container, `env` is whole, `user` is as USER has it."""

    id: str
    rootfs: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    user: str


class StepSession(Protocol):
    async def run(self, step: ExecStep, output: OnOutput) -> int:
        """Run to the end and return the exit code; cancellation kills everything in it.

        Raises a SampanError when the program can't be started.
        """
        ...


class StepExecutor(Protocol):
    """`host` carries the limits, the network mode and the extra hosts that the client asked for."""

    def session(self, host: HostSettings) -> AbstractAsyncContextManager[StepSession]: ...
