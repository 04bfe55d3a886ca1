"""One task from its assignment to its end: a loop of steps (advance.py), one at a time.

A step goes on while newer versions of the task arrive; only the wish that it be over cuts a step
short. Each new status is shown to `tell` (which saves and reports it) before the next step begins.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sampan.errors import Internal, SampanError
from sampan.lib.clock import NANOS, Clock
from sampan.lib.log import fields
from sampan.swarm.agent import advance
from sampan.swarm.agent.advance import Step
from sampan.swarm.agent.executor import Controller, Observed
from sampan.swarm.model import Task, TaskStatus
from sampan.swarm.states import TaskState, has_ended

log = logging.getLogger(__name__)

FIRST_PAUSE_NS = NANOS // 5
LONGEST_PAUSE_NS = 10 * NANOS

Tell = Callable[[Task, TaskStatus], Awaitable[None]]


class TaskManager:
    """`run` until it is cancelled; it never ends by itself."""

    def __init__(
        self, task: Task, status: TaskStatus, controller: Controller, tell: Tell, clock: Clock
    ) -> None:
        self.task = task
        self.status = status
        self._controller = controller
        self._tell = tell
        self._clock = clock
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._note_wish()

    def assign(self, task: Task) -> None:
        """A newer version of the task."""
        self.task = task
        if task.status.state > self.status.state and not has_ended(task.status.state):
            self.status = task.status  # told before a restart that came between two writes
        self._note_wish()
        self._news.set()

    @property
    def desired(self) -> TaskState:
        """An orphan, given up by the managers, must not run either."""
        given_up = has_ended(self.task.status.state) and not has_ended(self.status.state)
        return TaskState.SHUTDOWN if given_up else self.task.desired_state

    async def run(self) -> None:
        pause_ns = FIRST_PAUSE_NS
        while True:
            self._news.clear()
            step = advance.next_step(self.desired, self.status.state)
            if step is None:
                await self._news.wait()
            elif await self._take(step):
                pause_ns = FIRST_PAUSE_NS
            else:
                await self._pause(pause_ns)
                pause_ns = min(pause_ns * 2, LONGEST_PAUSE_NS)

    async def remove(self) -> None:
        """After `run` was cancelled: end it and leave nothing. Raises SampanError."""
        await self._controller.shutdown()
        await self._controller.remove()

    async def _take(self, step: Step) -> bool:
        """False: to be tried again after a pause."""
        await self._move(advance.entered(self.status, step, self._clock.now_ns()))
        failure: SampanError | None = None
        try:
            if not await self._carry_out(step):
                return True
        except SampanError as error:
            failure = error
        except Exception as error:
            log.exception(fields("task.step_broke", task=self.task.id, step=step))
            failure = Internal(f"{type(error).__name__}: {error}")
        seen = await self._observe()
        status = advance.left(self.status, step, failure, seen, self._clock.now_ns())
        await self._move(status)
        return not advance.must_be_tried_again(step, failure)

    async def _carry_out(self, step: Step) -> bool:
        """False when it was cut short."""
        match step:
            case Step.ACCEPT:
                return True
            case Step.STOP:
                await self._controller.shutdown()
                return True
            case Step.PREPARE:
                return await self._unless_over(self._controller.prepare)
            case Step.START:
                return await self._unless_over(self._controller.start)
            case Step.WATCH:
                return await self._unless_over(self._controller.wait)

    async def _unless_over(self, action: Callable[[], Awaitable[None]]) -> bool:
        """False when the wish that the task be over came first; `action` has ended then."""
        doing = asyncio.ensure_future(action())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({doing, over}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                await doing
                return True
            return False
        finally:
            doing.cancel()
            over.cancel()
            await asyncio.gather(doing, over, return_exceptions=True)

    async def _observe(self) -> Observed:
        try:
            return await self._controller.observe()
        except SampanError as error:
            log.warning(fields("task.not_observed", task=self.task.id, why=error.message))
            return Observed()

    async def _move(self, status: TaskStatus) -> None:
        if status == self.status:
            return
        if status.state != self.status.state:
            log.info(
                fields(
                    "task.moved",
                    task=self.task.id,
                    name=self.task.name,
                    state=status.state.word,
                    err=status.err,
                )
            )
        self.status = status
        await self._tell(self.task, status)

    async def _pause(self, pause_ns: int) -> None:
        """Or until there is news."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(pause_ns)),
            asyncio.ensure_future(self._news.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _note_wish(self) -> None:
        if advance.is_over(self.desired):
            self._over.set()
