"""The loop that turns pushes into deliveries and sends what is due.

One round: events out of the outbox -> due deliveries chosen (fairness.py) and claimed -> each sent
and recorded by a task of its own, so that slow receivers hold nobody up. Rounds follow until
nothing is due; then the loop sleeps until a wake-up (test, replay, an attempt's end) or a second:
pushes are found by looking, one indexed query on an empty table.

State is only in the database; the process may be killed anywhere (see deliveries.py).
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from sampan.hub.automation.outgoing import Outcome
from sampan.hub.automation.sealing import SealBroken, Sealer
from sampan.hub.automation.webhooks import deliveries
from sampan.hub.automation.webhooks.deliveries import Claimed
from sampan.hub.automation.webhooks.fairness import AT_ONCE, Waiting, choose
from sampan.hub.automation.webhooks.payload import headers_of
from sampan.hub.automation.webhooks.retries import Schedule
from sampan.hub.db.engine import Database
from sampan.lib.log import fields

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Sender(Protocol):
    """Called for each attempt, several at once; doesn't raise for what a receiver may do."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome: ...


class Dispatcher:
    """`clock_ns` is time since the epoch, `chance` a random number from 0 to 1."""

    def __init__(
        self,
        *,
        database: Database,
        sealer: Sealer,
        sender: Sender,
        base_url: str,
        schedule: Schedule | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._sender = sender
        self._base_url = base_url
        self._schedule = schedule or Schedule()
        self._clock_ns = clock_ns
        self._chance = chance
        self._wake = anyio.Event()
        self._busy: dict[str, Waiting] = {}  # deliveries being sent
        self._next_ns: int | None = 0  # when something is due; None: nothing waits

    def wake(self) -> None:
        """Something may be due now. From the event loop's thread."""
        self._next_ns = 0
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: what is being sent then is cut off, and due again after its pause."""
        await self._database.write(deliveries.note_interrupted)
        async with anyio.create_task_group() as sending:
            while True:
                try:
                    while await self.round(sending):
                        continue
                except Exception:  # the boundary of the task: the next look may do better
                    log.exception("webhooks not dispatched")
                with anyio.move_on_after(LOOK_EVERY_S):
                    await self._wake.wait()
                self._wake = anyio.Event()

    async def round(self, sending: TaskGroup) -> bool:
        """Starts what is due in `sending`. False: nothing was there to do."""
        collected = await self._collect()
        now = self._clock_ns()
        if not collected and (self._next_ns is None or now < self._next_ns):
            return False
        claimed = await self._claim(now)
        for each in claimed:
            sending.start_soon(self._send, each)
        self._next_ns = await self._database.read(deliveries.next_due_ns)
        return bool(collected or claimed)

    async def _collect(self) -> int:
        if not await self._database.read(deliveries.has_events):
            return 0
        now = self._clock_ns()
        return await self._database.write(
            lambda connection: deliveries.collect(connection, self._base_url, now)
        )

    async def _claim(self, now: int) -> list[Claimed]:
        def begin(connection: Connection) -> list[tuple[Waiting, Claimed]]:
            # those being sent may be due again already, when their receiver is slow
            waiting = deliveries.due(connection, now, busy.keys())
            claims = (
                (each, deliveries.claim(connection, each.id, now, self._schedule, self._chance()))
                for each in choose(waiting, busy.values())
            )
            return [(each, claimed) for each, claimed in claims if claimed is not None]

        busy = dict(self._busy)
        if len(busy) >= AT_ONCE:
            return []
        begun = await self._database.write(begin)
        self._busy |= {each.id: each for each, _ in begun}
        return [claimed for _, claimed in begun]

    async def _send(self, claimed: Claimed) -> None:
        try:
            outcome = await self._post(claimed)
            ended = self._clock_ns()
            await self._database.write(
                lambda connection: deliveries.record(
                    connection, claimed, outcome, ended, self._schedule
                )
            )
        except Exception:  # the boundary of the task: it is due again after its pause
            log.exception("webhook delivery not recorded delivery=%s", claimed.id)
        else:
            log.info(
                fields(
                    "webhook sent" if outcome.succeeded else "webhook failed",
                    delivery=claimed.id,
                    attempt=claimed.number,
                    status=outcome.status,
                    reason=outcome.error,
                )
            )
        finally:
            self._busy.pop(claimed.id, None)
            self.wake()

    async def _post(self, claimed: Claimed) -> Outcome:
        body = claimed.payload.encode()
        try:
            secret = self._sealer.open(claimed.secret)
        except SealBroken as error:
            return Outcome(error=error.message)
        headers = headers_of(claimed.id, claimed.event, secret, body)
        return await self._sender.post(claimed.url, body, headers)
