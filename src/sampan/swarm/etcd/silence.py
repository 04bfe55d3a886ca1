"""Connections between managers' stores that nobody answers any more are ended within seconds.

etcd sends its heartbeats into an open connection for as long as the kernel takes them. When a
member can't be reached these fill the connection's buffer, after about 25 seconds; from then on
etcd waits for that connection, and takes no new one in its place for up to ten seconds after the
other member is back. So each manager looks for peer connections whose data goes unacknowledged:

    sent again 4 times (about 3 s)  -->  aborted; etcd connects anew, again and again, in time

Nothing else is touched: a connection counts if it is with a member's address at its peer port.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.linux import tcpdiag
from sampan.linux.tcpdiag import Connection
from sampan.swarm.etcd.members import Member

log = logging.getLogger(__name__)

PERIOD_S = 1.0
REPEATS = 4  # 0.2 s, and twice the pause before each further time


class SilentPeers:
    """`own_port` is where this member listens; `members` gives all, as this one knows them."""

    def __init__(
        self, own_port: int, members: Callable[[], Awaitable[Sequence[Member]]], workers: Workers
    ) -> None:
        self._own_port = own_port
        self._list = members
        self._workers = workers
        self._peers: frozenset[tuple[str, int]] = frozenset()

    async def run(self) -> None:
        """Until cancelled, or until a kernel says that it can't end connections."""
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                self._peers = peers(await self._list()) or self._peers
                ended = await self._workers.run(self._end)
            except SampanError as error:  # the own member is silent: those known last count
                log.debug(fields("peers not listed", reason=error.message))
            except OSError as error:
                log.info(fields("silent peers can't be told off", reason=error))
                return
            else:
                for connection in ended:
                    log.info(fields("store.silent_peer", peer=connection.remote))

    def _end(self) -> list[Connection]:
        ports = {port for _, port in self._peers}
        there = tcpdiag.established(local_port=self._own_port)
        for port in ports:
            there += tcpdiag.established(remote_port=port)
        ended = silent(there, self._own_port, self._peers)
        for connection in ended:
            tcpdiag.abort(connection)
        return ended


def peers(members: Iterable[Member]) -> frozenset[tuple[str, int]]:
    """Their addresses and ports; names (which nobody but an operator can have given) are left."""
    found = set()
    for member in members:
        url = urlsplit(member.peer_url)
        try:
            found.add((str(ip_address(url.hostname or "")), url.port or 0))
        except ValueError:
            continue
    return frozenset(found)


def silent(
    connections: Iterable[Connection], own_port: int, peers: frozenset[tuple[str, int]]
) -> list[Connection]:
    """Those with members that have been waiting for an answer for too long."""
    hosts = {host for host, _ in peers}
    return [
        one
        for one in connections
        if one.repeats >= REPEATS
        and (
            (one.local_port == own_port and str(one.remote) in hosts)
            or (str(one.remote), one.remote_port) in peers
        )
    ]
