"""The members of an etcd cluster: who they are, who leads, and who may go.

A new member first learns (it has no vote), and is promoted when it has caught up; so joining never
endangers the quorum. Leaving and demoting ask `check_removal` first: the managers that remain must
have a majority among themselves that can be reached.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sampan.errors import InvalidArgument
from sampan.swarm.etcd.client import Answer, EtcdClient, EtcdRefused, EtcdSilent
from sampan.swarm.store.interface import NoQuorum

LEARNING_S = 30.0
PAUSE_S = 0.1


class LastManager(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("attempting to demote the last manager of the swarm")


class LossOfQuorum(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("can't remove member from the raft: this would result in a loss of quorum")


@dataclass(frozen=True, slots=True)
class Member:
    """`id` is hexadecimal; `name` is empty until the member has started."""

    id: str
    name: str
    peer_url: str
    is_learner: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Of the member that was asked. `leader` is empty while there's none."""

    member: str
    leader: str
    revision: int
    size_bytes: int

    @property
    def leads(self) -> bool:
        return bool(self.leader) and self.leader == self.member


def quorum(count: int) -> int:
    return count // 2 + 1


def check_removal(reachable: Mapping[str, bool], leaving: str) -> None:
    """`reachable`: all managers, `leaving` among them. Raises LastManager, LossOfQuorum."""
    remaining = {name: here for name, here in reachable.items() if name != leaving}
    if not remaining:
        raise LastManager
    if sum(remaining.values()) < quorum(len(remaining)):
        raise LossOfQuorum


class Roster(Protocol):
    """What there is to ask and to do about managers' parts in the store, wherever that is.

    `Members`, or `election.Election` with an etcd that isn't theirs. `period_s`: how often `status`
    is asked for.
    """

    @property
    def period_s(self) -> float: ...

    async def status(self) -> Status: ...

    async def list(self) -> tuple[Member, ...]: ...

    async def remove(self, member_id: str) -> None: ...

    async def hand_over(self, member_id: str) -> None: ...

    def check_removal(self, reachable: Mapping[str, bool], leaving: str) -> None: ...


class Members:
    """Implements Roster."""

    period_s = 0.1

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    def check_removal(self, reachable: Mapping[str, bool], leaving: str) -> None:
        """Raises LastManager, LossOfQuorum."""
        check_removal(reachable, leaving)

    async def status(self, timeout_s: float = 1.0) -> Status:
        """Raises EtcdSilent."""
        answer = await self._client.call("/v3/maintenance/status", timeout_s=timeout_s)
        return Status(
            member=_hex(answer["header"]["member_id"]),
            leader=_hex(answer["leader"]) if int(answer.get("leader", 0)) else "",
            revision=int(answer["header"].get("revision", 0)),
            size_bytes=int(answer.get("dbSize", 0)),
        )

    async def list(self) -> tuple[Member, ...]:
        """As the own member knows them. Raises EtcdSilent."""
        answer = await self._client.call("/v3/cluster/member/list")
        return tuple(_member(found) for found in answer["members"])

    async def add(self, peer_url: str) -> Member:
        """A learner; idempotent. Raises NoQuorum."""
        for member in await self.list():
            if member.peer_url == peer_url:
                return member
        body: Answer = {"peerURLs": [peer_url], "isLearner": True}
        return _member((await self._change("/v3/cluster/member/add", body))["member"])

    async def promote(self, member_id: str) -> None:
        """Waits until it has caught up. Idempotent. Raises NoQuorum."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LEARNING_S
        while any(one.id == member_id and one.is_learner for one in await self.list()):
            try:
                await self._change("/v3/cluster/member/promote", {"ID": _decimal(member_id)})
            except EtcdRefused as error:
                if loop.time() > deadline:
                    raise NoQuorum from error
                await asyncio.sleep(PAUSE_S)

    async def remove(self, member_id: str) -> None:
        """Idempotent. Raises NoQuorum."""
        if any(one.id == member_id for one in await self.list()):
            await self._change("/v3/cluster/member/remove", {"ID": _decimal(member_id)})

    async def relocate(self, member_id: str, peer_url: str) -> None:
        """Change where it is reached. Raises NoQuorum."""
        body: Answer = {"ID": _decimal(member_id), "peerURLs": [peer_url]}
        await self._change("/v3/cluster/member/update", body)

    async def hand_over(self, member_id: str) -> None:
        """The leader asks another to lead, before it goes. Raises NoQuorum."""
        body: Answer = {"targetID": _decimal(member_id)}
        await self._change("/v3/maintenance/transfer-leadership", body)

    async def _change(self, path: str, body: Answer) -> Answer:
        try:
            return await self._client.call(path, body)
        except EtcdSilent as error:
            raise NoQuorum from error


def _member(found: Answer) -> Member:
    return Member(
        id=_hex(found["ID"]),
        name=found.get("name", ""),
        peer_url=next(iter(found.get("peerURLs", [])), ""),
        is_learner=bool(found.get("isLearner")),
    )


def _hex(decimal: str) -> str:
    return f"{int(decimal):x}"


def _decimal(identifier: str) -> str:
    return str(int(identifier, 16))
