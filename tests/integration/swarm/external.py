"""An etcd as somebody else would run it: the program with its defaults, with TLS or without."""

import asyncio
import socket
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager, suppress

from integration.swarm.membership import Lab, parts
from sampan.daemon.swarm import SwarmNode
from sampan.lib.workers import Workers
from sampan.swarm.etcd.external import ExternalEtcd
from sampan.swarm.etcd.process import free_port
from sampan.swarm.membership.addresses import Interface
from sampan.swarm.membership.files import NodeFiles


def listens(endpoint):
    host, _, port = endpoint.partition("://")[2].partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False


@contextmanager
def plain_etcd(folder, host="127.0.0.1", port=0, *, netns=None, options=()):
    """Its endpoint, of TLS with `options`. In `netns` it listens there, and isn't waited for."""
    scheme = "https" if options else "http"
    endpoint = f"{scheme}://{host}:{port or free_port()}"
    peer = f"http://{host}:{2380 if netns else free_port()}"
    inside = ["nsenter", f"--net={netns}", "--"] if netns else []
    process = subprocess.Popen(
        [
            *(*inside, "etcd", "--data-dir", str(folder), "--name", "x"),
            *("--listen-client-urls", endpoint, "--advertise-client-urls", endpoint),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"x={peer}", "--logger", "zap", "--log-level", "error"),
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while netns is None and not listens(endpoint):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield endpoint
    finally:
        process.kill()
        process.wait()


class ExternalLab(Lab):
    """Nodes that are given `etcd`; None: as a daemon without the setting."""

    def __init__(self, folder, etcd):
        super().__init__(folder)
        self.etcd = etcd

    @classmethod
    def at(cls, folder, endpoint, prefix):
        return cls(folder, ExternalEtcd((endpoint,), prefix))

    def new(self, name):
        super().new(name)  # its port
        home = self.folder / name
        self.nodes[name] = SwarmNode(
            NodeFiles(home / "data", home / "run"),
            parts(self.etcd),
            Workers(),
            lambda: [Interface("lo", ("127.0.0.1",), loopback=True)],
        )
        return self.nodes[name]


class Way:
    """A TCP relay that can fall silent without closing a connection."""

    def __init__(self, endpoint):
        host, _, port = endpoint.removeprefix("http://").partition(":")
        self._there = host, int(port)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks = set()
        self.endpoint = ""

    def block(self):
        self._open.clear()

    @asynccontextmanager
    async def run(self):
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader, writer):
        there_reader, there_writer = await asyncio.open_connection(*self._there)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            self._tasks.add(asyncio.ensure_future(self._pass_on(source, sink)))

    async def _pass_on(self, source, sink):
        try:
            while data := await source.read(1 << 16):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            return
        finally:
            sink.close()
