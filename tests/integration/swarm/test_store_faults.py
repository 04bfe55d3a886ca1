"""The store with three members: what works, and what is refused, when members are lost.

The last test records a random history of writes with members killed and paused under way, and
checks it against a model: each revision of a key follows from the one before it, every write that
succeeded happened once, and every one that was refused didn't.
"""

import asyncio
import random
import signal
from dataclasses import replace

import msgspec
import pytest

from integration.swarm.members import cluster
from integration.swarm.membership import needs_etcd, until
from sampan.errors import SampanError
from sampan.lib.workers import Workers
from sampan.swarm import model
from sampan.swarm.etcd.backups import Backups, restore
from sampan.swarm.store.interface import Create, NoQuorum, OutOfDate, Update
from sampan.swarm.store.sealing import new_data_key
from sampan.wire.swarm import ConfigSpec

pytestmark = [pytest.mark.integration, needs_etcd, pytest.mark.timeout(90)]


def run(tmp_path, test):
    async def main():
        async with cluster(tmp_path, new_data_key()) as members:
            await test(members)

    asyncio.run(main())


def config(name):
    return model.Config(id=model.new_id(), spec=ConfigSpec(Name=name))


def with_text(item, text):
    return msgspec.structs.replace(item, spec=msgspec.structs.replace(item.spec, Data=text))


def read(store, item):
    return store.tables.find(model.Config, item.id)


def test_a_lost_leader_fails_no_write(tmp_path):
    async def test(members):
        leader = await members.leader()
        other = next(name for name in members.running if name != leader)
        async with members.store(other) as store:
            item = config("one")
            await store.apply(Create(item))
            await members.stop(leader)
            for number in range(20):
                await store.apply(Update(with_text(read(store, item), str(number))))
            assert read(store, item).spec.Data == "19"

    run(tmp_path, test)


def test_without_quorum_reads_go_on_writes_are_refused_and_force_mends(tmp_path):
    async def test(members):
        item = config("one")
        async with members.store("a") as store:
            await store.apply(Create(item))
            await members.stop("b")
            await store.apply(Update(with_text(read(store, item), "two of three")))
            await members.stop("c")
            with pytest.raises(NoQuorum, match="does not have a leader"):
                await store.apply(Update(with_text(read(store, item), "one of three")))
            assert read(store, item).spec.Data == "two of three"
        await members.stop("a")
        members.start("a", force_new_cluster=True)
        async with members.store("a") as store:
            now = read(store, item)
            await store.apply(Update(with_text(now, "again")))
            assert read(store, item).spec.Data == "again"

    run(tmp_path, test)


def test_a_replica_that_was_cut_off_shows_the_difference(tmp_path):
    async def test(members):
        async with members.store("a") as store, members.store("b") as other:
            item, gone = config("one"), config("gone")
            await store.apply(Create(item), Create(gone))
            await until(lambda: read(other, gone) is not None)
            with other.watch() as commits:
                await members.stop("b")
                await store.apply(Update(with_text(read(store, item), "meanwhile")))
                members.start("b")
                other._replica._client = members.clients["b"]  # its port is another one now
                async with asyncio.timeout(20):
                    commit = await anext(commits)
            assert [event.item.spec.Data for event in commit.events] == ["meanwhile"]

    run(tmp_path, test)


def test_a_backup_can_be_restored(tmp_path):
    async def test(members):
        item = config("one")
        async with members.store("a") as store:
            await store.apply(Create(item))
            backups = Backups(members.clients["a"], tmp_path / "backups", Workers())
            path = await backups.take()
            assert path.stat().st_mode & 0o777 == 0o600
            await store.apply(Update(with_text(read(store, item), "after the backup")))
        for name in "abc":
            await members.stop(name)
        members.folder = tmp_path / "restored"
        members.folder.mkdir()
        settings = members.processes["a"].settings
        settings = replace(settings, data_dir=members.folder / "a", initial={})
        assert await restore(tmp_path / "backups", settings) == path
        members.start("a")
        async with members.store("a") as store:
            assert read(store, item).spec.Data == ""
            await store.apply(Update(with_text(read(store, item), "goes on")))

    run(tmp_path, test)


class History:
    """What was tried: by key the texts that must, may and mustn't be found."""

    def __init__(self):
        self.done, self.unsure, self.refused = {}, set(), set()

    async def write(self, store, item, text):
        now = read(store, item)
        try:
            revision = await store.apply(Update(with_text(now, f"<{text}")))
        except OutOfDate:
            self.refused.add(text)
        except SampanError:
            self.unsure.add(text)
        else:
            self.done[text] = revision


def test_a_history_with_faults_is_linearizable_for_each_key(tmp_path):
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)

    async def test(members):
        history, items = History(), [config(f"key{number}") for number in range(3)]
        seen = {}  # (id, revision) -> (text, revision before)

        async def record(commits):
            async for commit in commits:
                for event in commit.events:
                    before = event.old.version if event.old else 0
                    seen[event.item.id, event.item.version] = (event.item.spec.Data, before)

        async with members.store("a") as a, members.store("b") as b, members.store("c") as c:
            stores = [a, b, c]
            with a.watch() as commits:
                recording = asyncio.ensure_future(record(commits))
                await a.apply(*map(Create, items))
                await until(lambda: all(read(store, items[2]) for store in stores))
                ended = asyncio.Event()

                async def client(store, name):
                    number = 0
                    while not ended.is_set():
                        number += 1
                        await history.write(store, chance.choice(items), f"{name}{number}")
                        await asyncio.sleep(chance.uniform(0, 0.01))

                clients = [
                    asyncio.ensure_future(client(store, f"{name}{lane}-"))
                    for name, store in zip("abc", stores, strict=True)
                    for lane in range(2)
                ]
                for _ in range(4):
                    await asyncio.sleep(chance.uniform(0.2, 0.6))
                    victim = chance.choice("abc")
                    if chance.random() < 0.5:
                        members.processes[victim].restart()
                    else:
                        members.signal(victim, signal.SIGSTOP)
                        await asyncio.sleep(chance.uniform(0.2, 1.0))
                        members.signal(victim, signal.SIGCONT)
                ended.set()
                await asyncio.gather(*clients)
                last = config("last")
                await a.apply(Create(last))
                await until(lambda: (last.id, read(a, last).version) in seen)
                recording.cancel()
        check(history, seen, items, seed)

    run(tmp_path, test)


def check(history, seen, items, seed):
    assert history.done, seed
    happened = {}
    for (identifier, revision), (text, before) in sorted(seen.items(), key=lambda one: one[0][1]):
        if "<" in text:
            assert text.split("<")[1] not in happened, f"written twice, seed {seed}"
            happened[text.split("<")[1]] = revision
            assert (identifier, before) in seen, f"a revision is missing, seed {seed}"
    assert {text: happened.get(text) for text in history.done} == history.done, seed
    assert not set(happened) & history.refused, f"a refused write happened, seed {seed}"
    assert set(happened) <= set(history.done) | history.unsure, seed
    for item in items:
        revisions = sorted(revision for identifier, revision in seen if identifier == item.id)
        befores = [seen[item.id, revision][1] for revision in revisions]
        assert befores == [0, *revisions[:-1]], f"revisions don't follow each other, seed {seed}"
