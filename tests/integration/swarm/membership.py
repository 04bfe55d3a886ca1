"""Swarm nodes without containers, several in one process, each on ports of its own."""

import asyncio
import random
import shutil
import socket
import time
from contextlib import asynccontextmanager, suppress

import pytest

from sampan.daemon import swarm_joining, swarm_member
from sampan.daemon.swarm import SwarmNode
from sampan.daemon.swarm_parts import ManagerSide, SwarmParts
from sampan.daemon.swarm_standing import PEER_PORT_OFFSET
from sampan.lib.workers import Workers
from sampan.swarm.membership.addresses import Interface
from sampan.swarm.membership.files import NodeFiles
from sampan.swarm.tokens import JoinToken, ca_digest
from sampan.wire.swarm import SwarmSpec
from sampan.wire.swarm_views import InitRequest, JoinRequest

needs_etcd = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd isn't installed")


class Idle:
    async def run(self):
        await asyncio.get_running_loop().create_future()


async def nothing():
    return


def parts(external=None):
    return SwarmParts(
        manager=lambda context: ManagerSide(),
        leader=lambda context: [],
        agent=lambda context: Idle(),
        leave=nothing,
        external=external,
    )


def port():
    """One for the nodes' API that is free, as is the one for the store's peers that follows.

    Not of the range from which the system takes ports for connections.
    """
    while True:
        found = random.randrange(12000, 26000)
        with suppress(OSError):
            for number in (found, found + PEER_PORT_OFFSET):
                socket.create_server(("127.0.0.1", number)).close()
            return found


class Lab:
    """Nodes by name, each with a folder and a port."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {}
        self.nodes = {}

    def new(self, name):
        self.ports.setdefault(name, port())
        home = self.folder / name
        self.nodes[name] = SwarmNode(
            NodeFiles(home / "data", home / "run"),
            parts(),
            Workers(),
            lambda: [Interface("lo", ("127.0.0.1",), loopback=True)],
        )
        return self.nodes[name]

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    async def init(self, name, **options):
        node = self.new(name)
        where = {"ListenAddr": self.address(name), "AdvertiseAddr": "127.0.0.1"}
        request = InitRequest(**where, **{"Spec": SwarmSpec(), **options})
        await node.init(request)
        return node

    async def join(self, name, at, role):
        node = self.new(name)
        token = self.token(at, role)
        remotes = [self.address(at)]
        request = JoinRequest(
            ListenAddr=self.address(name),
            AdvertiseAddr="127.0.0.1",
            RemoteAddrs=remotes,
            JoinToken=token,
        )
        await node.join(request)
        return node

    async def restart(self, name):
        await self.nodes[name].close()
        node = self.new(name)
        await node.start()
        return node

    def token(self, at, role):
        cluster = self.nodes[at].cluster()
        secret = cluster.manager_token_secret if role == "manager" else cluster.worker_token_secret
        return str(JoinToken(ca_digest(cluster.ca_certificate.encode()), secret))


async def until(condition, limit_s=20):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def lab(folder):
    """In it nodes ask more often, so that tests take less time."""
    found = Lab(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swarm_member, "PERIOD_S", 0.3)
        patch.setattr(swarm_member, "ETCD_RESTART_S", 1.0)
        patch.setattr(swarm_joining, "AGAIN_S", 0.1)
        try:
            yield found
        finally:
            for node in found.nodes.values():
                await node.close()


def request(at, token, port):
    """What `swarm join` asks of a node on this machine."""
    return JoinRequest(
        ListenAddr=f"127.0.0.1:{port}",
        AdvertiseAddr="127.0.0.1",
        RemoteAddrs=[at],
        JoinToken=token,
    )
