"""Agents and dispatchers over a store in memory, in virtual time: cut, killed, moved."""

import asyncio
import random

import pytest
from msgspec.structs import replace

from sampan.swarm.messages import Assigned
from sampan.swarm.model import Node, NodeStatus, Secret, Task
from sampan.swarm.states import NodeState, TaskState, has_ended
from sampan.swarm.store.interface import Create, Remove, Update
from sampan.swarm.store.memory import MemoryStore
from sampan.wire.services import FileTarget, SecretReference
from sampan.wire.swarm import SecretSpec
from simulation.virtual import VirtualClock, run
from unit.swarm.agent.fake_node import (
    Machine,
    Manager,
    Net,
    RunningAgent,
    begin,
    status,
    task,
    until,
    wish,
)


class World:
    """One manager, one node."""

    def __init__(self, *managers: Manager) -> None:
        self.store = MemoryStore(VirtualClock().now_ns)
        self.managers = [Manager(self.store)]
        self.machine, self.net = Machine(), Net()
        self.agent: RunningAgent | None = None

    def start(self) -> None:
        links = [manager.link("node1", self.net) for manager in self.managers]
        self.agent = RunningAgent(self.machine, links)

    async def close(self) -> None:
        if self.agent is not None:
            await self.agent.kill()
        for manager in self.managers:
            await manager.die()

    def state(self, task_id: str) -> TaskState:
        return status(self.store, task_id).state

    @property
    def node(self) -> Node:
        found = self.store.tables.find(Node, "node1")
        assert found is not None
        return found


def in_world(scenario):
    async def whole() -> None:
        world = World()
        try:
            async with asyncio.timeout(4000):
                await scenario(world)
        finally:
            await world.close()

    run(whole())


def test_a_task_goes_its_way_and_waits_where_it_shall():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1", desired=TaskState.READY))
        world.start()
        await until(lambda: world.state("t1") == TaskState.READY)
        await asyncio.sleep(60)
        assert world.state("t1") == TaskState.READY
        await wish(world.store, "t1", TaskState.RUNNING)
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        assert world.node.status.state == NodeState.READY
        assert world.node.description.hostname == "fake"
        world.machine.containers["t1"].end(3)
        await until(lambda: world.state("t1") == TaskState.FAILED)
        found = status(world.store, "t1")
        assert found.err == "task: non-zero exit (3)"
        assert found.container is not None
        assert found.container.exit_code == 3

    in_world(scenario)


def test_a_missing_image_rejects_and_what_is_on_its_way_is_waited_for():
    async def scenario(world: World) -> None:
        world.machine.missing_images.add("gone")
        world.machine.not_yet.add("slow")
        await begin(world.store, task("t1", image="gone"), task("t2", image="slow"))
        world.start()
        await until(lambda: world.state("t1") == TaskState.REJECTED)
        assert status(world.store, "t1").err == "No such image: gone"
        await until(lambda: status(world.store, "t2").err != "")
        assert world.state("t2") == TaskState.PREPARING
        world.machine.not_yet.clear()
        await until(lambda: world.state("t2") == TaskState.RUNNING)
        assert status(world.store, "t2").err == ""

    in_world(scenario)


def test_a_wish_that_it_be_over_cuts_a_step_short():
    async def scenario(world: World) -> None:
        world.machine.not_yet.add("slow")
        await begin(world.store, task("t1", image="slow"))
        world.start()
        await until(lambda: world.state("t1") == TaskState.PREPARING)
        await wish(world.store, "t1", TaskState.SHUTDOWN)
        await until(lambda: world.state("t1") == TaskState.SHUTDOWN, 5)

    in_world(scenario)


def test_a_node_that_is_cut_off_counts_as_down_and_goes_on():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"), task("t2"))
        world.start()
        await until(lambda: world.state("t1") == world.state("t2") == TaskState.RUNNING)
        world.net.cut = True
        await until(lambda: world.node.status.state == NodeState.DOWN, 30)
        assert world.node.status.message == "heartbeat failure"
        assert world.machine.containers["t1"].running
        world.machine.containers["t2"].end(9)
        await asyncio.sleep(60)
        assert world.state("t2") == TaskState.RUNNING
        world.net.cut = False
        await until(lambda: world.node.status.state == NodeState.READY, 30)
        await until(lambda: world.state("t2") == TaskState.FAILED, 5)
        assert world.state("t1") == TaskState.RUNNING
        assert world.machine.containers["t1"].starts == 1

    in_world(scenario)


def test_tasks_that_were_taken_away_meanwhile_are_removed():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"), task("t2"))
        world.start()
        await until(lambda: world.state("t1") == world.state("t2") == TaskState.RUNNING)
        world.net.cut = True
        await asyncio.sleep(5)
        gone = world.store.tables.find(Task, "t1")
        assert gone is not None
        await world.store.apply(Remove(gone))
        await asyncio.sleep(30)
        assert world.machine.containers["t1"].running
        world.net.cut = False
        await until(lambda: "t1" not in world.machine.containers, 30)
        await until(lambda: "t1" not in world.machine.documents, 5)
        assert world.machine.containers["t2"].running

    in_world(scenario)


@pytest.mark.parametrize("connected", [True, False])
def test_a_restarted_agent_takes_up_what_runs(connected):
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"), task("t2"))
        world.start()
        await until(lambda: world.state("t1") == world.state("t2") == TaskState.RUNNING)
        assert world.agent is not None
        await world.agent.kill()
        world.machine.containers["t2"].end(0)
        world.net.cut = not connected
        world.start()
        await asyncio.sleep(60)
        assert world.machine.containers["t1"].running
        world.net.cut = False
        await until(lambda: world.state("t2") == TaskState.COMPLETE, 30)
        assert world.state("t1") == TaskState.RUNNING
        assert world.machine.containers["t1"].starts == 1
        await wish(world.store, "t1", TaskState.SHUTDOWN)
        await until(lambda: world.state("t1") == TaskState.SHUTDOWN)
        assert not world.machine.containers["t1"].running

    in_world(scenario)


def test_an_end_that_no_manager_heard_of_survives_a_restart():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"))
        world.start()
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        world.net.cut = True
        world.machine.containers["t1"].end(5)
        await asyncio.sleep(10)
        assert world.agent is not None
        await world.agent.kill()
        world.machine.containers.clear()  # somebody cleaned up
        world.net.cut = False
        world.start()
        await until(lambda: world.state("t1") == TaskState.FAILED, 30)
        assert status(world.store, "t1").err == "task: non-zero exit (5)"

    in_world(scenario)


def test_containers_of_a_former_life_go():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"))
        await world.machine.controller(task("old"), None).prepare()
        world.start()
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        assert set(world.machine.containers) == {"t1"}

    in_world(scenario)


def test_a_manager_that_stops_hands_its_nodes_over():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"))
        world.managers.append(Manager(world.store))
        states = []
        with world.store.watch() as commits:
            world.start()
            await until(lambda: world.state("t1") == TaskState.RUNNING)
            first, second = world.managers
            assert "node1" in first.dispatcher.claims()
            await first.stop()
            await until(lambda: "node1" in second.dispatcher.claims(), 3)
            await asyncio.sleep(60)
            world.store.close()
            async for commit in commits:
                states += [
                    event.item.status.state
                    for event in commit.events
                    if isinstance(event.item, Node)
                ]
        assert set(states) == {NodeState.READY}
        assert world.node.status.state == NodeState.READY

    in_world(scenario)


def test_a_task_that_is_assigned_again_while_it_is_removed_is_not_lost():
    """As by managers one of which lags behind the other."""

    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"))
        world.start()
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        assert world.agent is not None
        worker = world.agent.worker
        there = world.store.tables.find(Task, "t1")
        assert there is not None
        await worker.apply(Assigned(revision=1, complete=True))
        await worker.apply(Assigned(revision=2, complete=True, tasks=(there,)))
        await until(lambda: world.state("t1") == TaskState.FAILED, 30)
        assert "No such container" in status(world.store, "t1").err

    in_world(scenario)


def test_a_node_that_was_declared_down_by_mistake_registers_anew():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"))
        world.start()
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        mark = world.node.status.since_ns
        down = NodeStatus(state=NodeState.DOWN, since_ns=mark + 1)
        await world.store.apply(Update(replace(world.node, status=down)))
        await until(lambda: world.node.status.state == NodeState.READY, 10)
        assert world.state("t1") == TaskState.RUNNING

    in_world(scenario)


def test_an_orphan_is_stopped():
    async def scenario(world: World) -> None:
        await begin(world.store, task("t1"))
        world.start()
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        world.net.cut = True
        await asyncio.sleep(30)
        there = world.store.tables.find(Task, "t1")
        assert there is not None
        orphaned = replace(there.status, state=TaskState.ORPHANED)
        await world.store.apply(Update(replace(there, status=orphaned)))
        world.net.cut = False
        await until(lambda: not world.machine.containers["t1"].running, 30)
        assert world.state("t1") == TaskState.ORPHANED

    in_world(scenario)


def test_secrets_come_with_the_tasks_that_use_them_and_go_with_them():
    async def scenario(world: World) -> None:
        used = SecretReference(File=FileTarget(Name="a"), SecretID="s1", SecretName="a")
        await begin(
            world.store,
            Secret(id="s1", spec=SecretSpec(Name="a", Data="YQ==")),
            Secret(id="s2", spec=SecretSpec(Name="b", Data="Yg==")),
            task("t1", Secrets=[used]),
        )
        world.start()
        await until(lambda: world.state("t1") == TaskState.RUNNING)
        assert world.agent is not None
        known = world.agent.worker._dependencies
        assert known.secret("s1") is not None
        assert known.secret("s2") is None
        await wish(world.store, "t1", TaskState.SHUTDOWN)
        await until(lambda: known.secret("s1") is None)

    in_world(scenario)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_no_task_is_lost_or_runs_twice(seed):
    """Random cuts, kills, ends and wishes; then peace, and all must be as it should."""

    async def scenario(world: World) -> None:
        chance = random.Random(seed)
        await begin(world.store)
        world.start()
        made: list[str] = []
        with world.store.watch() as commits:
            for _ in range(60):
                await _something(world, chance, made)
                await asyncio.sleep(chance.uniform(0, 6))
            world.net.cut = False
            await until(lambda: _settled(world), 200)
            world.store.close()
            last: dict[str, TaskState] = {}
            async for commit in commits:
                for event in commit.events:
                    if isinstance(event.item, Task):
                        state = event.item.status.state
                        assert state >= last.get(event.item.id, TaskState.NEW)
                        last[event.item.id] = state
        starts = {key: one.starts for key, one in world.machine.containers.items()}
        assert all(count <= 1 for count in [*starts.values(), *world.machine.ended.values()])
        present = {one.id for one in world.store.tables.all(Task)}
        assert set(world.machine.containers) <= present
        assert len(made) > 5

    in_world(scenario)


async def _something(world: World, chance: random.Random, made: list[str]) -> None:
    tasks = world.store.tables.all(Task)
    match chance.randrange(8):
        case 0 | 1 | 2:
            made.append(f"t{len(made)}")
            desired = chance.choice([TaskState.READY, TaskState.RUNNING])
            await world.store.apply(Create(task(made[-1], desired=desired)))
        case 3 if tasks:
            chosen = chance.choice(tasks).id
            await wish(world.store, chosen, chance.choice([TaskState.RUNNING, TaskState.SHUTDOWN]))
        case 4 if world.machine.containers:
            container = chance.choice(list(world.machine.containers.values()))
            if container.running:
                container.end(chance.choice([0, 1]))
        case 5:
            world.net.cut = not world.net.cut
        case 6:
            assert world.agent is not None
            await world.agent.kill()
            await asyncio.sleep(chance.uniform(0, 3))
            world.start()
        case 7 if tasks:
            chosen_task = chance.choice(tasks)
            if has_ended(chosen_task.status.state):
                await world.store.apply(Remove(chosen_task))


def _settled(world: World) -> bool:
    """What the store says is what is wanted, and what is there."""
    for one in world.store.tables.all(Task):
        container = world.machine.containers.get(one.id)
        running = container is not None and container.running
        state, desired = one.status.state, one.desired_state
        if running != (state == TaskState.RUNNING):
            return False
        if not has_ended(state) and state != desired:
            return False
    stray = world.machine.containers.keys() - {one.id for one in world.store.tables.all(Task)}
    return world.node.status.state == NodeState.READY and not stray
