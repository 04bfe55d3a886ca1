"""Membership after a kill at any moment, and after the loss of the store, without containers."""

import asyncio
import shutil

import pytest
from msgspec.structs import replace

from integration.swarm.membership import lab, needs_etcd, request, until
from sampan.lib.workers import Workers
from sampan.swarm.etcd.backups import Backups
from sampan.swarm.membership.files import NodeFiles
from sampan.swarm.model import Node
from sampan.swarm.store.interface import Update
from sampan.wire.swarm_views import InitRequest

pytestmark = [pytest.mark.integration, needs_etcd, pytest.mark.timeout(90)]


def run(tmp_path, test):
    async def main():
        async with lab(tmp_path) as nodes:
            await test(nodes)

    asyncio.run(main())


class Copied(NodeFiles):
    """Keeps a copy of its folder after each write: what a kill at that moment would leave."""

    def copy(self):
        number = len(list(self.folder.parent.glob("copy*")))
        shutil.copytree(self.folder, self.folder.parent / f"copy{number}")

    def save_state(self, state):
        super().save_state(state)
        self.copy()

    def save_keyring(self, keyring):
        super().save_keyring(keyring)
        self.copy()


def test_a_join_that_was_killed_anywhere_goes_on_as_the_same_node(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        worker = nodes.new("worker")
        home = tmp_path / "worker"
        home.mkdir()
        worker._files = Copied(home / "data", home / "run")
        await worker.join(request(nodes.address("one"), nodes.token("one", "worker"), 30997))
        copies = sorted(home.glob("copy*"))
        assert len(copies) >= 3
        for number, copy in enumerate(copies):
            again = nodes.new(f"again{number}")
            again._files = NodeFiles(copy, home / f"run{number}")
            await again.start()
            await until(lambda node=again: node.is_ready)
            assert again.node_id == worker.node_id
        assert len(one.store().tables.all(Node)) == 2

    run(tmp_path, test)


def test_an_init_that_was_killed_anywhere_is_done_or_never_was(tmp_path):
    async def test(nodes):
        one = nodes.new("one")
        home = tmp_path / "one"
        home.mkdir()
        one._files = Copied(home / "data", home / "run")
        await one.init(InitRequest(ListenAddr=nodes.address("one"), AdvertiseAddr="127.0.0.1"))
        before = one.node_id
        await one.close()
        outcomes = []
        for number, copy in enumerate(sorted(home.glob("copy*"))[:2]):  # before the store began
            again = nodes.new("one")
            again._files = NodeFiles(copy, home / f"run{number}")
            await again.start()
            if again.standing().LocalNodeState != "inactive":
                await until(lambda node=again: node.is_ready)
                assert again.cluster().worker_token_secret
            outcomes.append(again.node_id)
            await again.close()
        assert outcomes == ["", before]

    run(tmp_path, test)


def test_a_lost_store_is_restored_from_its_backup(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        await nodes.join("worker", "one", "worker")
        etcd, files = one._member.manager._etcd, one._files
        await Backups(etcd, files.backups, Workers()).take()
        await one.close()
        shutil.rmtree(files.etcd)
        again = nodes.new("one")
        await again.start()
        await until(lambda: "data of the swarm's store is missing" in again.standing().Error)
        await again.init(
            InitRequest(
                ListenAddr=nodes.address("one"), AdvertiseAddr="127.0.0.1", ForceNewCluster=True
            )
        )
        assert again.store().tables.count(Node) == 2
        await again.store().apply(Update(replace(again.cluster(), fips=True)))
        await until(lambda: [one.leader for one in again.manager_states().values()] == [True])

    run(tmp_path, test)
