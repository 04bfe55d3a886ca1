"""A store of three members on loopback, without TLS: each an etcd process with a client."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress

from integration.swarm.membership import port
from sampan.swarm.etcd.client import EtcdClient, EtcdRefused, EtcdSilent
from sampan.swarm.etcd.members import Members
from sampan.swarm.etcd.process import EtcdProcess, MemberSettings, free_port
from sampan.swarm.store.etcd import EtcdStore
from sampan.swarm.store.sealing import Sealer

NAMES = ("a", "b", "c")


class Cluster:
    def __init__(self, folder, data_key):
        self.folder = folder
        self.sealer = Sealer([data_key])
        self.peers = {name: f"127.0.0.1:{port()}" for name in NAMES}
        self.processes, self.clients, self.running = {}, {}, {}

    def start(self, name, *, force_new_cluster=False):
        peer = self.peers[name]
        settings = MemberSettings(
            name=name,
            data_dir=self.folder / name,
            client_port=free_port(),
            peer_listen=peer,
            peer_advertise=peer,
            initial={other: f"http://{where}" for other, where in self.peers.items()},
        )
        process = self.processes[name] = EtcdProcess(settings)
        work = process.run(force_new_cluster=force_new_cluster)
        self.running[name] = asyncio.ensure_future(work)
        self.clients[name] = EtcdClient([settings.endpoint])

    async def stop(self, name):
        """As if the machine were gone."""
        self.signal(name, signal.SIGKILL)
        running = self.running.pop(name)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await self.clients.pop(name).close()

    def signal(self, name, number):
        """Nothing, while it is between two processes."""
        pid = self.processes[name].pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def leader(self):
        """The name of the member that leads."""
        while True:
            for name, client in self.clients.items():
                with suppress(EtcdSilent, EtcdRefused):
                    if (await Members(client).status(0.5)).leads:
                        return name
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def store(self, name):
        while True:
            opened = EtcdStore.opened(self.clients[name], self.sealer, name)
            try:
                store = await opened.__aenter__()
                break
            except (EtcdSilent, EtcdRefused):
                await asyncio.sleep(0.05)
        try:
            yield store
        finally:
            await opened.__aexit__(None, None, None)


@asynccontextmanager
async def cluster(folder, data_key):
    found = Cluster(folder, data_key)
    for name in NAMES:
        found.start(name)
    try:
        await found.leader()
        yield found
    finally:
        for name in list(found.running):
            found.signal(name, signal.SIGCONT)
            await found.stop(name)
