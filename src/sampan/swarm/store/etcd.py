"""The store on etcd (JSON gateway of 3.4): see interface.Store for the contract.

    /sampan/v1/<kind>/<id>          the object, encrypted (sealing)
    /sampan/v1/name/<kind>/<name>   the id that holds the name
    /sampan/v1/lane/<writer>/<n>    see lanes

A transaction compares the revision of every object it changes and of every name it takes, so two
managers can't both win. Reads never go to etcd: see replica. A write is tried again for some
seconds while etcd has no leader, and then refused; it is never done twice. (It may still come true
after that refusal, if it was under way: the replica shows it then.)
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress

from sampan.errors import Internal
from sampan.lib import gotime
from sampan.swarm.etcd.client import Answer, EtcdClient, EtcdRefused, EtcdSilent, decoded, encoded
from sampan.swarm.store.checks import check
from sampan.swarm.store.interface import (
    Change,
    Commit,
    Create,
    NameTaken,
    NoQuorum,
    ObjectMissing,
    OutOfDate,
    Remove,
)
from sampan.swarm.store.lanes import PATIENCE_S, Done, Lanes, Transaction
from sampan.swarm.store.memory import stamped
from sampan.swarm.store.replica import PREFIX, Replica, key_of
from sampan.swarm.store.sealing import Sealer
from sampan.swarm.store.tables import Tables
from sampan.swarm.store.watch import Watchers

MAX_CHANGES = 1000  # three operations each, beside the lane's, within --max-txn-ops 4096
DEFAULT_MAX_TXN_OPS = 128  # of an etcd that nobody has set up for this
NOTHING = "none"  # a key that there never is
CATCH_UP_S = 2.0  # how long a refused writer waits for its replica to see why


class WriteRefused(Internal):
    """Too large, or etcd's quota is used up."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the swarm's store refused a change: {why}")


class EtcdStore:
    """Made by `opened`. `own_member`: the etcd is this manager's own."""

    def __init__(
        self,
        client: EtcdClient,
        sealer: Sealer,
        writer: str,
        clock: Callable[[], int] = gotime.now_ns,
        prefix: str = PREFIX,
        *,
        own_member: bool = True,
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self.max_changes = MAX_CHANGES if own_member else (DEFAULT_MAX_TXN_OPS - 1) // 3
        self._sealer = sealer
        self._clock = clock
        self._prefix = prefix
        self._watchers = Watchers()
        self._replica = Replica(client, sealer, self._watchers, prefix, own_member=own_member)
        self._lanes = Lanes(client, writer, prefix)
        self._client = client
        self._trouble = trouble

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        client: EtcdClient,
        sealer: Sealer,
        writer: str,
        prefix: str = PREFIX,
        *,
        own_member: bool = True,
        trouble: Callable[[], str] = lambda: "",
    ) -> AsyncIterator["EtcdStore"]:
        """The replica is loaded when this is entered. `trouble`: why the own member doesn't run.

        Raises EtcdSilent, EtcdRefused.
        """
        store = cls(client, sealer, writer, prefix=prefix, own_member=own_member, trouble=trouble)
        await store._catch_up()
        following = asyncio.ensure_future(store._replica.run())
        try:
            yield store
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            store._watchers.close()

    @property
    def tables(self) -> Tables:
        return self._replica.tables

    def watch(self) -> AbstractContextManager[AsyncIterator[Commit]]:
        return self._watchers.watch()

    async def apply(self, *changes: Change) -> int:
        check(self.tables, changes)
        if not changes:
            return self.tables.revision
        try:
            outcome = await self._lanes.commit(self._transaction(changes))
        except EtcdSilent as error:
            raise NoQuorum(self._trouble()) from error
        except EtcdRefused as error:
            raise WriteRefused(error.message) from error
        if isinstance(outcome, Done):
            await self._wait_for(outcome.revision, PATIENCE_S)
            return outcome.revision
        answers = await self._ask_why(changes)
        with suppress(NoQuorum):  # so that who reads again reads what was in the way
            await self._wait_for(max(map(_mod_revision, answers)), CATCH_UP_S)
        raise _reason(changes, answers)

    async def _ask_why(self, changes: Sequence[Change]) -> list[Answer]:
        """The object's and the name's key of each change, after it was refused."""
        reads = []
        for change in changes:
            item = change.item
            named = item.unique_name is not None and not isinstance(change, Remove)
            nothing = self._prefix + NOTHING
            name_key = self._name_key(item.KIND, item.unique_name or "") if named else nothing
            reads.append({"key": encoded(key_of(item, self._prefix)), "keys_only": True})
            reads.append({"key": encoded(name_key)})
        body = {"success": [{"request_range": read} for read in reads]}
        try:
            answer = await self._client.call("/v3/kv/txn", body)
        except EtcdSilent as error:
            raise NoQuorum(self._trouble()) from error
        return [one["response_range"] for one in answer["responses"]]

    async def _wait_for(self, revision: int, patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                await self._replica.reached(revision)
        except TimeoutError:
            raise NoQuorum(self._trouble()) from None

    async def _catch_up(self) -> None:
        """The own member may have been away: let it hear of what was agreed, if it can."""
        with suppress(EtcdSilent):
            query = {"key": encoded(self._prefix), "count_only": True}
            await self._client.call("/v3/kv/range", query, timeout_s=PATIENCE_S)
        await self._replica.load()

    def _transaction(self, changes: Sequence[Change]) -> Transaction:
        transaction, now_ns = Transaction(), self._clock()
        for change in changes:
            item = change.item
            key = key_of(item, self._prefix)
            version = 0 if isinstance(change, Create) else item.version
            transaction.compare.append(_unchanged(key, version))
            if isinstance(change, Remove):
                transaction.success.append(_delete(key))
            else:
                stored = stamped(item, 0, now_ns, is_new=isinstance(change, Create))
                transaction.success.append(_put(key, self._sealer.seal(key, stored)))
            self._add_names(transaction, change)
        return transaction

    def _add_names(self, transaction: Transaction, change: Change) -> None:
        """Free the old name, take the new one."""
        item = change.item
        old = self.tables.find(type(item), item.id)
        before = None if old is None else old.unique_name
        after = None if isinstance(change, Remove) else item.unique_name
        if before is not None and before != after:
            transaction.success.append(_delete(self._name_key(item.KIND, before)))
        if after is not None and before != after:
            key = self._name_key(item.KIND, after)
            transaction.compare.append(_unchanged(key, 0))
            transaction.success.append(_put(key, item.id.encode()))

    def _name_key(self, kind: str, name: str) -> str:
        return f"{self._prefix}name/{kind}/{name}"


def _reason(changes: Sequence[Change], answers: Sequence[Answer]) -> Exception:
    """Why the comparisons failed: answers are pairs, of the object and of its name."""
    for change, there, name in zip(changes, answers[::2], answers[1::2], strict=True):
        item = change.item
        found = _mod_revision(there)
        if isinstance(change, Create):
            if found:
                return OutOfDate()
        elif not found:
            return ObjectMissing(item.KIND, item.id)
        elif found != item.version:
            return OutOfDate()
        if _holder(name) not in {"", item.id}:
            return NameTaken(item.KIND, item.unique_name or "")
    return OutOfDate()


def _mod_revision(read: Answer) -> int:
    return max((int(value["mod_revision"]) for value in read.get("kvs", [])), default=0)


def _holder(read: Answer) -> str:
    return next((decoded(value["value"]).decode() for value in read.get("kvs", [])), "")


def _unchanged(key: str, revision: int) -> Answer:
    return {"key": encoded(key), "target": "MOD", "mod_revision": str(revision)}


def _put(key: str, value: bytes) -> Answer:
    return {"request_put": {"key": encoded(key), "value": encoded(value)}}


def _delete(key: str) -> Answer:
    return {"request_delete_range": {"key": encoded(key)}}
