"""Managers over the network, for agents: the calls of dispatcher/routes.py.

A manager that says nothing for a while is as good as gone: it keeps the stream alive.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec

from sampan.lib.clock import NANOS
from sampan.swarm.agent.link import Link
from sampan.swarm.dispatcher.dispatcher import PERIOD_NS
from sampan.swarm.dispatcher.routes import BEAT, LOGS, REPORT, SESSION, Beat, Logged, Reported
from sampan.swarm.dispatcher.sessions import KEEPALIVE_NS
from sampan.swarm.messages import DOWN, Down, Hello, LogLines, Report, Welcome
from sampan.swarm.peer.client import Managers as Addresses
from sampan.swarm.peer.client import NoManager, PeerClient, Unreachable

SILENCE_S = 3 * KEEPALIVE_NS / NANOS
REPORT_S = 15.0  # the store may be looking for a leader


class PeerLink:
    """See link.Link."""

    def __init__(self, client: PeerClient, address: str) -> None:
        self._client = client
        self._address = address
        self._period_ns = PERIOD_NS

    @property
    def address(self) -> str:
        return self._address

    @asynccontextmanager
    async def session(self, hello: Hello) -> AsyncIterator[AsyncIterator[Down]]:
        stream = self._client.stream(self._address, SESSION, hello, silence_s=SILENCE_S)
        async with stream as lines:
            yield self._messages(lines)

    async def _messages(self, lines: AsyncIterator[bytes]) -> AsyncIterator[Down]:
        async for line in lines:
            try:
                message = DOWN.decode(line)
            except msgspec.DecodeError as error:
                raise Unreachable(self._address, f"it says what isn't known: {error}") from error
            if isinstance(message, Welcome):
                self._period_ns = message.period_ns
            yield message

    async def beat(self, session: str) -> int:
        timeout_s = max(1.0, self._period_ns / NANOS)
        self._period_ns = await self._client.call(
            self._address, "POST", BEAT, Beat(session), kind=int, timeout_s=timeout_s
        )
        return self._period_ns

    async def report(self, session: str, reports: Sequence[Report]) -> None:
        await self._client.call(
            self._address,
            "POST",
            REPORT,
            Reported(session, tuple(reports)),
            kind=type(None),
            timeout_s=REPORT_S,
        )

    async def logs(self, session: str, lines: LogLines) -> bool:
        # without a bound: a slow reader holds the answer back, and the session ends it if need be
        return await self._client.call(
            self._address, "POST", LOGS, Logged(session, lines), kind=bool, timeout_s=3600
        )


class PeerManagers:
    """See link.Managers. `own`: this node's own manager, while it is one, which comes first.

    `addresses` is kept current by the node's membership, which keeps them for the next start too.
    """

    def __init__(
        self,
        client: PeerClient,
        addresses: Addresses,
        *,
        own: Callable[[], Link | None],
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._own = own
        self._tried: set[str] = set()

    def pick(self) -> Link:
        """Each once before any is tried again."""
        own = self._own()
        if own is not None and own.address not in self._tried:
            return own
        known = self._addresses.in_order()
        for address in known:
            if address not in self._tried:
                return PeerLink(self._client, address)
        self._tried.clear()
        if own is not None:
            return own
        if not known:
            raise NoManager
        return PeerLink(self._client, known[0])

    def answered(self, link: Link) -> None:
        self._tried.clear()
        self._addresses.answered(link.address)

    def failed(self, link: Link) -> None:
        self._tried.add(link.address)
        self._addresses.failed(link.address)

    def learn(self, addresses: Sequence[str]) -> None:
        if set(addresses) != set(self._addresses.addresses):
            self._addresses.replace(addresses)
