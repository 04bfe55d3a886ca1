"""The link of a manager's own agent: the same calls, without a network between."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from sampan.swarm.dispatcher.dispatcher import Dispatcher
from sampan.swarm.dispatcher.logs import LogBroker
from sampan.swarm.messages import Down, Hello, LogLines, Report


class LocalLink:
    """See agent.link.Link."""

    def __init__(self, dispatcher: Dispatcher, broker: LogBroker, node_id: str, addr: str) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._node_id = node_id
        self._addr = addr  # the node's own, without port: its status shows it

    @property
    def address(self) -> str:
        return "local"

    @asynccontextmanager
    async def session(self, hello: Hello) -> AsyncIterator[AsyncIterator[Down]]:
        stream = self._dispatcher.session(self._node_id, hello, self._addr)
        async with aclosing(stream) as messages:
            yield messages

    async def beat(self, session: str) -> int:
        return await self._dispatcher.beat(self._node_id, session)

    async def report(self, session: str, reports: Sequence[Report]) -> None:
        await self._dispatcher.report(self._node_id, session, reports)

    async def logs(self, session: str, lines: LogLines) -> bool:
        return await self._broker.take(lines)
