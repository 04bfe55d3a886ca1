"""The dispatcher on the managers' server for nodes, and its claims and logs for other managers.

    POST /dispatcher/session       Hello -> stream of messages            members
    POST /dispatcher/beat          {session} -> period in nanoseconds     members
    POST /dispatcher/report        {session, reports} -> null             members
    POST /dispatcher/logs          {session, lines} -> bool               members
    POST /dispatcher/claims        -> {node id: mark}                     managers
    POST /dispatcher/logs/read     {node, tasks, options} -> stream       managers

Who a node is comes from its certificate alone.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

import msgspec
from aiohttp import web

from sampan.swarm.dispatcher.dispatcher import Dispatcher
from sampan.swarm.dispatcher.logs import LogBroker, NodeNotHere
from sampan.swarm.messages import Hello, LogLines, LogOptions, Report
from sampan.swarm.peer.client import PeerClient
from sampan.swarm.peer.server import MANAGERS, MEMBERS, PeerCall, PeerRoute

SESSION = "/dispatcher/session"
BEAT = "/dispatcher/beat"
REPORT = "/dispatcher/report"
LOGS = "/dispatcher/logs"
CLAIMS = "/dispatcher/claims"
READ_LOGS = "/dispatcher/logs/read"


class Beat(msgspec.Struct, frozen=True):
    session: str


class Reported(msgspec.Struct, frozen=True):
    session: str
    reports: tuple[Report, ...]


class Logged(msgspec.Struct, frozen=True):
    session: str
    lines: LogLines


class LogsAsked(msgspec.Struct, frozen=True):
    node: str
    tasks: tuple[str, ...]
    options: LogOptions


class DispatcherRoutes:
    def __init__(self, dispatcher: Dispatcher, broker: LogBroker) -> None:
        self._dispatcher = dispatcher
        self._broker = broker

    def routes(self) -> list[PeerRoute]:
        return [
            PeerRoute("POST", SESSION, MEMBERS, self._session),
            PeerRoute("POST", BEAT, MEMBERS, self._beat),
            PeerRoute("POST", REPORT, MEMBERS, self._report),
            PeerRoute("POST", LOGS, MEMBERS, self._logs),
            PeerRoute("POST", CLAIMS, MANAGERS, self._claims),
            PeerRoute("POST", READ_LOGS, MANAGERS, self._read_logs),
        ]

    async def _session(self, call: PeerCall) -> web.StreamResponse:
        hello = await call.body(Hello)
        stream = self._dispatcher.session(call.node_id, hello, call.remote_address)
        async with aclosing(stream) as messages:
            first = await anext(messages)  # what goes wrong before is an error, not a stream
            async with call.lines() as lines:
                await lines.send(first)
                async for message in messages:
                    await lines.send(message)
        return lines.response

    async def _beat(self, call: PeerCall) -> web.StreamResponse:
        beat = await call.body(Beat)
        return call.answer(await self._dispatcher.beat(call.node_id, beat.session))

    async def _report(self, call: PeerCall) -> web.StreamResponse:
        asked = await call.body(Reported)
        await self._dispatcher.report(call.node_id, asked.session, asked.reports)
        return call.answer()

    async def _logs(self, call: PeerCall) -> web.StreamResponse:
        asked = await call.body(Logged)
        return call.answer(await self._broker.take(asked.lines))

    async def _claims(self, call: PeerCall) -> web.StreamResponse:
        return call.answer(self._dispatcher.claims())

    async def _read_logs(self, call: PeerCall) -> web.StreamResponse:
        asked = await call.body(LogsAsked)
        if self._dispatcher.find_session(asked.node) is None:
            raise NodeNotHere(asked.node)
        found = self._broker.read(asked.node, asked.tasks, asked.options)
        async with aclosing(found) as batches, call.lines() as lines:
            async for batch in batches:
                await lines.send(batch)
        return lines.response


class OtherManager:
    """Another manager's dispatcher: a liveness.Claimant and a logs.NodeLogs."""

    def __init__(self, client: PeerClient, address: str) -> None:
        self._client = client
        self._address = address

    async def claims(self) -> Mapping[str, int]:
        return await self._client.call(self._address, "POST", CLAIMS, kind=dict[str, int])

    async def read(
        self, node_id: str, tasks: Sequence[str], options: LogOptions
    ) -> AsyncGenerator[LogLines, None]:
        asked = LogsAsked(node_id, tuple(tasks), options)
        async with self._client.stream(self._address, READ_LOGS, asked) as lines:
            async for line in lines:
                yield msgspec.json.decode(line, type=LogLines)
