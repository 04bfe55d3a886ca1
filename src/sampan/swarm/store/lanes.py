"""Writing each transaction exactly once, although etcd may fail to say that it did.

A lane is a key of the writer's own that holds the number of its last transaction. Every transaction
compares the lane's revision and writes its own number there. So a transaction may be sent again
and again: the second one that arrives finds the lane changed, reads its own number there, and
knows that the first one happened. A straggler from an earlier attempt that nobody waits for any
more can't happen after a later one of the same lane.

    txn: if lane is as I left it, and <the caller's comparisons> then lane := n, <changes>
         else read lane

Several lanes let a writer have several transactions on the way.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sampan.swarm.etcd.client import Answer, EtcdClient, EtcdSilent, decoded, encoded
from sampan.swarm.store.replica import PREFIX

LANES = 16
PATIENCE_S = 4.0  # then there's no quorum
FIRST_ATTEMPT_S, LONGEST_ATTEMPT_S = 0.6, 2.0
PAUSE_S = 0.05


@dataclass(slots=True)
class Transaction:
    """`compare` and `success` as the gateway has them."""

    compare: list[Answer] = field(default_factory=list)
    success: list[Answer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    revision: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A comparison failed; nothing was written."""


@dataclass(slots=True)
class _Lane:
    key: str
    revision: int | None = None  # None: must be read first


class Lanes:
    """Of one writer; `writer` names it in etcd and is used by one process at a time."""

    def __init__(self, client: EtcdClient, writer: str, prefix: str = PREFIX) -> None:
        self._client = client
        self._free: asyncio.LifoQueue[_Lane] = asyncio.LifoQueue()
        for number in range(LANES):
            self._free.put_nowait(_Lane(f"{prefix}lane/{writer}/{number}"))

    async def commit(self, transaction: Transaction, patience_s: float = PATIENCE_S) -> Done | Lost:
        """Raises EtcdSilent when it may have happened or not, EtcdRefused when it hasn't."""
        deadline = asyncio.get_running_loop().time() + patience_s
        async with self._take() as lane:
            number = secrets.token_hex(12)
            attempt_s = FIRST_ATTEMPT_S
            while True:
                left_s = deadline - asyncio.get_running_loop().time()
                limit_s = max(min(attempt_s, left_s), 0.01)
                try:
                    outcome = await self._attempt(lane, number, transaction, limit_s)
                    if outcome is not None:
                        return outcome
                except EtcdSilent:
                    if asyncio.get_running_loop().time() >= deadline:
                        raise
                    attempt_s = min(2 * attempt_s, LONGEST_ATTEMPT_S)
                await asyncio.sleep(PAUSE_S)

    @asynccontextmanager
    async def _take(self) -> AsyncIterator[_Lane]:
        lane = await self._free.get()
        try:
            yield lane
        except BaseException:
            lane.revision = None  # what was sent may still happen
            raise
        finally:
            self._free.put_nowait(lane)

    async def _attempt(
        self, lane: _Lane, number: str, transaction: Transaction, limit_s: float
    ) -> Done | Lost | None:
        """None: another transaction went through the lane; try again."""
        if lane.revision is None:
            read = await self._client.call("/v3/kv/range", _key(lane), timeout_s=limit_s)
            lane.revision = _lane_state(read)[0]
        answer = await self._client.call(
            "/v3/kv/txn", _request(lane, number, transaction), timeout_s=limit_s
        )
        if answer.get("succeeded"):
            lane.revision = int(answer["header"]["revision"])
            return Done(lane.revision)
        revision, holder = _lane_state(answer["responses"][0]["response_range"])
        if holder == number:
            lane.revision = revision
            return Done(revision)
        if revision != lane.revision:
            lane.revision = revision
            return None
        return Lost()


def _key(lane: _Lane) -> Answer:
    return {"key": encoded(lane.key)}


def _lane_state(read: Answer) -> tuple[int, str]:
    for value in read.get("kvs", []):
        return int(value["mod_revision"]), decoded(value["value"]).decode()
    return 0, ""


def _request(lane: _Lane, number: str, transaction: Transaction) -> Answer:
    unchanged = {**_key(lane), "target": "MOD", "mod_revision": str(lane.revision)}
    mark = {"request_put": {**_key(lane), "value": encoded(number)}}
    return {
        "compare": [unchanged, *transaction.compare],
        "success": [mark, *transaction.success],
        "failure": [{"request_range": _key(lane)}],
    }
