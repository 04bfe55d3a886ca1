"""From a running build to the stream of objects that its client reads.

The build runs in a task of its own; when the reader leaves, the task is cancelled and its end
awaited. A reader that is far behind holds the build up (`ready`), not memory. What fails before the
first object is raised, so that it becomes an HTTP status; later failures are the last object.

Stages run side by side, but this protocol's clients know one step after the other: what a stage
tells is held back until all stages before it in the file have ended. When the build fails, the
failing stage is told, and nothing more of those that were cancelled for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from sampan.builder import progress
from sampan.engine.build_rendering import Message, Renderer, failure
from sampan.engine.images.reporting import StorageFailed
from sampan.errors import Internal, SampanError

log = logging.getLogger(__name__)

_WAITING = 1000  # objects: then programs wait before they write more
_HELD_BACK_BYTES = 1 << 20  # of a stage whose turn has not come: then its programs wait
_EVENT_BYTES = 256  # what an event counts beside its output


class Messages:
    """See progress.BuildEmit. With `quiet`, events are kept back until something fails."""

    def __init__(self, *, quiet: bool) -> None:
        self._renderer = Renderer()
        self._quiet = quiet
        self._kept: deque[Message] = deque(maxlen=10 * _WAITING)
        self._items: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False
        self._stages: deque[StageMessages] = deque()  # the first one's turn it is

    def __call__(self, event: progress.Event) -> None:
        self.tell(self._renderer, event)

    def stage(self, index: int) -> "StageMessages":
        """See progress.BuildEmit."""
        stage = StageMessages(self)
        self._stages.append(stage)
        if len(self._stages) == 1:
            stage.begin_turn()
        return stage

    def tell(self, renderer: Renderer, event: progress.Event) -> None:
        for message in renderer.render(event):
            if self._quiet:
                self._kept.append(message)
            else:
                self.put(message)

    def stage_ended(self) -> None:
        """Of some stage: whose turn is it now?"""
        while self._stages and self._stages[0].ended:
            self._stages.popleft()
            if self._stages:
                self._stages[0].begin_turn()

    async def ready(self) -> None:
        await self._room.wait()

    def put(self, message: Message) -> None:
        """Past `quiet`."""
        self._items.append(message)
        if len(self._items) >= _WAITING:
            self._room.clear()
        self._changed.set()

    def fail(self, error: SampanError) -> None:
        """What was kept back helps to understand the failure."""
        for stage in self._stages:
            if stage.failed:
                stage.begin_turn()
        for message in self._kept:
            if "stream" in message:
                self.put(message)
        self._kept.clear()
        self.put(failure(error))

    @property
    def told(self) -> bool:
        """Whether a failure can no longer become an HTTP status."""
        return bool(self._items or self._kept) or any(stage.waits for stage in self._stages)

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def items(self) -> AsyncIterator[Message]:
        while True:
            while self._items:
                yield self._items.popleft()
            self._room.set()
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()


class StageMessages:
    """See progress.Emit: the events of one stage, in their turn."""

    def __init__(self, owner: Messages) -> None:
        self._owner = owner
        self._renderer = Renderer()
        self._held: deque[progress.Event] = deque()
        self._held_bytes = 0
        self._turn = asyncio.Event()
        self.ended = False
        self.failed = False

    def __call__(self, event: progress.Event) -> None:
        if isinstance(event, progress.StepFailed):
            self.failed = self.failed or not event.cancelled
            return
        if self._turn.is_set():
            self._owner.tell(self._renderer, event)
        else:
            self._held.append(event)
            self._held_bytes += _EVENT_BYTES
            if isinstance(event, progress.Output):
                self._held_bytes += len(event.data)
        if isinstance(event, progress.StageFinished):
            self.ended = True
            self._owner.stage_ended()

    @property
    def waits(self) -> bool:
        """Has something to tell of a failure."""
        return self.failed and bool(self._held)

    async def ready(self) -> None:
        if self._held_bytes >= _HELD_BACK_BYTES:
            await self._turn.wait()
        if self._turn.is_set():
            await self._owner.ready()

    def begin_turn(self) -> None:
        self._turn.set()
        while self._held:
            self._owner.tell(self._renderer, self._held.popleft())


async def told(
    work: Callable[[Messages], Awaitable[None]], *, quiet: bool
) -> AsyncIterator[Message]:
    """Run `work` while its messages are read. Raises what came before the first message."""
    messages = Messages(quiet=quiet)
    started = False

    async def run() -> None:
        try:
            await _in_kinds(work(messages))
        except SampanError as error:
            if not started and not messages.told:
                raise
            messages.fail(error)

    task = asyncio.create_task(run())  # awaited below, whatever happens
    task.add_done_callback(lambda _: messages.end())
    try:
        async for message in messages.items():
            started = True
            yield message
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()


async def _in_kinds(work: Awaitable[None]) -> None:
    """Failures of the disk, and mistakes of ours, as kinds that a client can be told."""
    try:
        await work
    except SampanError:
        raise
    except OSError as error:
        raise StorageFailed(what="build", error=error) from error
    except Exception as error:
        log.exception("build failed unexpectedly")
        raise Internal(f"build: {type(error).__name__}") from error
