"""Looking at sources whose git server doesn't call us.

Each look compares all refs with those of the last one (in the database: a restart misses
nothing). The first look at a source only takes note, so that linking doesn't build every old tag.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio
from sqlalchemy import Connection

from sampan.errors import SampanError
from sampan.hub.automation.builds import queue, sources
from sampan.hub.automation.builds.checkout import Checkout
from sampan.hub.automation.builds.queue import Trigger
from sampan.hub.automation.builds.remotes import parse_remote
from sampan.hub.automation.builds.rules import Ref, matches, parse_ref
from sampan.hub.automation.builds.sources import Source
from sampan.hub.automation.sealing import Sealer
from sampan.hub.db.engine import Database

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
LIMIT_S = 120
AT_ONCE = 4


def enqueue_matching(
    connection: Connection, repository_id: int, ref: Ref, commit: str, trigger: Trigger
) -> list[int]:
    """Builds of all rules about this ref that build by themselves."""
    rules = [each for each in sources.list_rules(connection, repository_id) if each.autobuild]
    return [
        queue.enqueue(connection, repository_id, ref, rule, tag, trigger=trigger, commit=commit)
        for rule, tag in matches(rules, ref)
    ]


class Poller:
    def __init__(
        self,
        *,
        database: Database,
        sealer: Sealer,
        checkout: Checkout,
        scratch: Path,
        folders: tuple[Path, ...],
        queued: Callable[[], None],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._checkout = checkout
        self._scratch = scratch
        self._folders = folders
        self._queued = queued
        self._clock_ns = clock_ns
        self._places = anyio.CapacityLimiter(AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except Exception:  # the boundary of the task: the next look may do better
                log.exception("sources not polled")
            await anyio.sleep(LOOK_EVERY_S)

    async def round(self) -> None:
        now = self._clock_ns()
        due = await self._database.read(lambda connection: sources.list_due(connection, now))
        async with anyio.create_task_group() as tasks:
            for source in due:
                tasks.start_soon(self._poll, source)

    async def _poll(self, source: Source) -> None:
        error, refs = "", {}
        try:
            async with self._places:
                with anyio.fail_after(LIMIT_S):
                    refs = await self._refs(source)
        except TimeoutError:
            error = f"no answer within {LIMIT_S} s"
        except SampanError as failure:
            error = failure.message
        except Exception:  # the boundary of a source: the others are looked at
            log.exception("source not polled repository=%s", source.repository_id)
            error = "something went wrong here; the hub's log knows more"
        now = self._clock_ns()

        def work(connection: Connection) -> list[int]:
            sources.note_poll(connection, source.repository_id, now, error)
            return [] if error else _compare(connection, source.repository_id, refs)

        if await self._database.write(work):
            self._queued()

    async def _refs(self, source: Source) -> dict[str, str]:
        remote = parse_remote(source.url, self._folders)
        key = self._sealer.open(source.deploy_key) if source.deploy_key else ""
        with tempfile.TemporaryDirectory(prefix="poll-", dir=self._scratch) as scratch:
            return await self._checkout.refs(remote, Path(scratch), key=key)


def _compare(connection: Connection, repository_id: int, refs: dict[str, str]) -> list[int]:
    known = sources.known_refs(connection, repository_id)
    if refs != known:
        sources.set_refs(connection, repository_id, refs)
    made: list[int] = []
    for name, commit in refs.items():
        ref = parse_ref(name)
        if known and ref is not None and known.get(name) != commit:
            made += enqueue_matching(connection, repository_id, ref, commit, Trigger.POLL)
    return made
