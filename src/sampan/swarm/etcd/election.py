"""Who leads, where the etcd isn't the managers' own: a key that lives as long as a lease.

    <prefix>leader   the id of the manager that leads, bound to its lease

    no lease --grant--> waiting --create, if there's no such key--> leading
       ^                   |                                           |
       +---- lease gone ---+---------- lease gone, time run out -------+

Every `status` keeps the lease alive when a third of its time is over, and campaigns. A manager
believes to lead until its lease could have run out, counted from before it last asked, so it stops
before etcd gives the key to another. For that long a lost answer changes nothing.

This stands where `members.Members` does. Managers are no members of that etcd: a manager's "member"
is its node, and promoting or removing one doesn't concern etcd.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from sampan.swarm.etcd.client import Answer, EtcdClient, EtcdRefused, EtcdSilent, decoded, encoded
from sampan.swarm.etcd.members import LastManager, Member, Status

TTL_S = 3  # etcd gives at least one and a half of its election timeouts
STAND_BACK_S = 2.0  # for who has handed over


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Election:
    """Of one manager, `own`. Implements members.Roster."""

    period_s = 0.3

    def __init__(
        self, client: EtcdClient, own: str, prefix: str, clock: Callable[[], float] = _loop_time
    ) -> None:
        self._client = client
        self._own = own
        self._key = encoded(f"{prefix}leader")
        self._clock = clock
        self._lease = ""  # decimal; "" for none
        self._ttl_s = 0.0
        self._asked_at = 0.0  # when the lease was last extended, at the earliest
        self._stands_back_until = 0.0
        self._last: Status | None = None
        self._turn = asyncio.Lock()

    async def status(self, timeout_s: float = 1.0) -> Status:
        """Raises EtcdSilent, EtcdRefused."""
        async with self._turn:
            try:
                self._last = await self._asked(timeout_s)
            except EtcdSilent:
                if self._last is None or not self._last.leads or not self._holds:
                    self._last = None
                    raise
            return self._last

    async def list(self) -> tuple[Member, ...]:
        return ()

    async def remove(self, member_id: str) -> None:
        """Nothing has to be done."""

    def check_removal(self, reachable: Mapping[str, bool], leaving: str) -> None:
        """Raises LastManager; the quorum is etcd's matter."""
        if not reachable.keys() - {leaving}:
            raise LastManager

    async def hand_over(self, member_id: str) -> None:
        """Let any other lead."""
        self._stands_back_until = self._clock() + STAND_BACK_S
        await self.resign()

    async def resign(self) -> None:
        """Give up the lease, and the lead with it, so that nobody waits for its end."""
        async with self._turn:
            lease, self._lease, self._last = self._lease, "", None
            if lease:
                with suppress(EtcdSilent, EtcdRefused):
                    await self._client.call("/v3/lease/revoke", {"ID": lease}, timeout_s=1.0)

    @property
    def _holds(self) -> bool:
        """Whether etcd can't have ended the lease yet."""
        return bool(self._lease) and self._clock() < self._asked_at + self._ttl_s

    async def _asked(self, timeout_s: float) -> Status:
        if not self._holds or self._clock() > self._asked_at + self._ttl_s / 3:
            await self._extend(timeout_s)
        limit_s = self._left(timeout_s)
        answer = await self._client.call("/v3/kv/txn", self._request(), timeout_s=limit_s)
        revision = int(answer["header"].get("revision", 0))
        said = answer["responses"][0]
        leader = self._own if "response_put" in said else self._read(said["response_range"])
        if leader == self._own and not self._holds:
            leader = ""  # the answer took too long
        return Status(member=self._own, leader=leader, revision=revision, size_bytes=0)

    def _left(self, timeout_s: float) -> float:
        """A call that outlives the lease would hide that it's over."""
        rest_s = self._asked_at + self._ttl_s - self._clock()
        return max(min(timeout_s, rest_s), 0.01)

    @property
    def _stands_back(self) -> bool:
        return self._clock() < self._stands_back_until

    def _request(self) -> Answer:
        read: Answer = {"request_range": {"key": self._key}}
        if self._stands_back:
            return {"success": [read]}
        absent = {"key": self._key, "target": "CREATE", "create_revision": "0"}
        put = {"key": self._key, "value": encoded(self._own), "lease": self._lease}
        return {"compare": [absent], "success": [{"request_put": put}], "failure": [read]}

    def _read(self, found: Answer) -> str:
        """An earlier life of this manager doesn't count as a leader."""
        for value in found.get("kvs", []):
            holder = decoded(value["value"]).decode()
            if holder != self._own or value.get("lease") == self._lease:
                return holder
        return ""

    async def _extend(self, timeout_s: float) -> None:
        limit_s = self._left(timeout_s) if self._holds else timeout_s
        if self._lease and not await self._kept(limit_s):
            self._lease = ""
        if not self._lease:
            now = self._clock()
            wanted: Answer = {"TTL": str(TTL_S)}
            answer = await self._client.call("/v3/lease/grant", wanted, timeout_s=timeout_s)
            self._lease, self._ttl_s, self._asked_at = answer["ID"], float(answer["TTL"]), now

    async def _kept(self, timeout_s: float) -> bool:
        now = self._clock()
        body: Answer = {"ID": self._lease}
        answer = await self._client.call("/v3/lease/keepalive", body, timeout_s=timeout_s)
        if "result" not in answer:  # a stream's errors come with status 200
            raise EtcdSilent("the lease isn't kept alive")
        ttl_s = float(answer["result"].get("TTL", 0))
        if ttl_s > 0:
            self._asked_at, self._ttl_s = now, ttl_s
        return ttl_s > 0
