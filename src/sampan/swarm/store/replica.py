"""The replica of etcd's objects in memory: read once, then kept by a watch.

    load     all keys, at one revision
    watch    from the revision after it; each revision becomes one Commit
    lost     (connection gone, history compacted, etcd restored from an older state)
             watch again from the next revision, or load again and show the difference as one Commit

The load asks the own member only (no quorum): what it shows is consistent, maybe a little old.
Where endpoints aren't this manager's own (`own_member` is false) it asks the quorum: another may
be further behind than what is known here already.
Values that can't be decrypted are logged and left out.
"""

import asyncio
import logging
from collections.abc import Iterable
from itertools import groupby

from sampan.lib.log import fields
from sampan.swarm.etcd.client import Answer, EtcdClient, EtcdRefused, EtcdSilent, decoded, encoded
from sampan.swarm.etcd.client import range_end as end_of
from sampan.swarm.model import KINDS, Object
from sampan.swarm.store.interface import Action, Commit, Event
from sampan.swarm.store.sealing import Sealer, Unreadable
from sampan.swarm.store.tables import Tables
from sampan.swarm.store.watch import Watchers

log = logging.getLogger(__name__)

PREFIX = "/sampan/v1/"
PAGE = 2000
PAUSE_S = 0.1
_KINDS = {kind.KIND for kind in KINDS}


def key_of(item: Object, prefix: str = PREFIX) -> str:
    return f"{prefix}{item.KIND}/{item.id}"


class Replica:
    """`run` keeps it; whoever owns it runs that in a task of its own."""

    def __init__(
        self,
        client: EtcdClient,
        sealer: Sealer,
        watchers: Watchers,
        prefix: str = PREFIX,
        *,
        own_member: bool = True,
    ) -> None:
        self.tables = Tables()
        self._client = client
        self._sealer = sealer
        self._watchers = watchers
        self._grew = asyncio.Event()
        self._must_load = True
        self._prefix = prefix
        self._own_member = own_member

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if self._must_load:
                    await self.load()
                await self._follow()
            except (EtcdSilent, EtcdRefused) as error:
                log.debug(fields("store watch interrupted", reason=error.message))
            await asyncio.sleep(PAUSE_S)

    async def reached(self, revision: int) -> None:
        """Return when the tables have it."""
        while self.tables.revision < revision:
            await self._grew.wait()

    async def load(self) -> None:
        """Read everything; watchers get what differs. Raises EtcdSilent, EtcdRefused."""
        found: dict[tuple[str, str], Object] = {}
        revision, start = 0, self._prefix
        while True:
            answer = await self._page(start, revision)
            revision = revision or int(answer["header"]["revision"])
            values = answer.get("kvs", [])
            for value in values:
                item = self._read(value)
                if item is not None:
                    found[item.KIND, item.id] = item
            if not answer.get("more"):
                break
            start = decoded(values[-1]["key"]).decode() + "\0"
        self._must_load = False
        self._publish(revision, self._difference(found))

    async def _page(self, start: str, revision: int) -> Answer:
        return await self._client.call(
            "/v3/kv/range",
            {
                "key": encoded(start),
                "range_end": encoded(end_of(self._prefix)),
                "limit": str(PAGE),
                "revision": str(revision),
                "serializable": self._own_member,
            },
            timeout_s=10,
        )

    def _difference(self, found: dict[tuple[str, str], Object]) -> list[Event]:
        events = []
        for old in list(self.tables.everything()):
            if (old.KIND, old.id) not in found:
                self.tables.drop(old.KIND, old.id)
                events.append(Event(Action.REMOVED, old, old))
        for item in found.values():
            there = self.tables.find(type(item), item.id)
            if there is None or there.version != item.version:
                self.tables.put(item)
                action = Action.CREATED if there is None else Action.UPDATED
                events.append(Event(action, item, there))
        return events

    async def _follow(self) -> None:
        """Watch until the stream ends."""
        creation = {
            "key": encoded(self._prefix),
            "range_end": encoded(end_of(self._prefix)),
            "start_revision": str(self.tables.revision + 1),
        }
        async with self._client.stream("/v3/watch", {"create_request": creation}) as answers:
            async for answer in answers:
                if answer.get("created") and self._is_older(answer):
                    self._must_load = True
                    return
                if answer.get("canceled"):
                    self._must_load = True
                    return
                self._take(answer.get("events", []))

    def _is_older(self, answer: Answer) -> bool:
        """Etcd was put back to an earlier state."""
        return int(answer["header"].get("revision", 0)) < self.tables.revision

    def _take(self, events: Iterable[Answer]) -> None:
        for revision, group in groupby(events, key=lambda event: int(event["kv"]["mod_revision"])):
            if revision > self.tables.revision:
                self._publish(revision, [seen for one in group for seen in self._seen(one)])

    def _seen(self, event: Answer) -> list[Event]:
        value = event["kv"]
        if event.get("type") == "DELETE":
            kind, identifier = self._parts(decoded(value["key"]).decode())
            old = self.tables.drop(kind, identifier) if kind in _KINDS else None
            return [] if old is None else [Event(Action.REMOVED, old, old)]
        item = self._read(value)
        if item is None:
            return []
        old = self.tables.put(item)
        return [Event(Action.CREATED if old is None else Action.UPDATED, item, old)]

    def _read(self, value: Answer) -> Object | None:
        key = decoded(value["key"]).decode()
        kind, _ = self._parts(key)
        if kind not in _KINDS:
            return None  # names and lanes
        try:
            stored = decoded(value["value"])
            return self._sealer.open(key, kind, stored, int(value["mod_revision"]))
        except Unreadable as error:
            log.error(fields("record unreadable", key=key, reason=error.message))
            return None

    def _publish(self, revision: int, events: list[Event]) -> None:
        self.tables.revision = revision
        if events:
            self._watchers.publish(Commit(revision, tuple(events)))
        grew, self._grew = self._grew, asyncio.Event()
        grew.set()

    def _parts(self, key: str) -> tuple[str, str]:
        kind, _, identifier = key.removeprefix(self._prefix).partition("/")
        return kind, identifier
