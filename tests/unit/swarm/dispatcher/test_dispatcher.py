import asyncio
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from sampan.errors import NotFound
from sampan.swarm.dispatcher.assignments import Assignments
from sampan.swarm.dispatcher.liveness import Liveness
from sampan.swarm.dispatcher.logs import IncompleteLogs, TaskLogs
from sampan.swarm.dispatcher.reporting import ReportWriter
from sampan.swarm.messages import DOWN, Assigned, Hello, LogLine, LogOptions, Report, encode_line
from sampan.swarm.model import Node, NodeDescription, NodeStatus, Task, TaskStatus
from sampan.swarm.networkmap import NetworkStates
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Create, OutOfDate, Remove, Update
from sampan.swarm.store.memory import MemoryStore
from simulation.virtual import VirtualClock, run
from unit.swarm.agent.fake_node import (
    Machine,
    Manager,
    Net,
    RunningAgent,
    begin,
    node,
    status,
    task,
    until,
    wish,
)


def new_store() -> MemoryStore:
    return MemoryStore(VirtualClock().now_ns)


def report(task_id: str, state: TaskState, at_ns: int = 1, message: str = "") -> Report:
    return Report(
        task_id=task_id, status=TaskStatus(state=state, timestamp_ns=at_ns, message=message)
    )


# --- assignments ----------------------------------------------------------------------------------


def test_a_node_hears_of_its_own_tasks_and_only_of_changes():
    async def scenario() -> None:
        store = new_store()
        pending = replace(task("t3"), status=TaskStatus(state=TaskState.PENDING))
        await begin(store, task("t1"), replace(task("t2"), node_id="node2"), pending)
        told = Assignments("node1", store.tables, NetworkStates(store.tables))
        first = told.complete()
        assert first.complete
        assert [each.id for each in first.tasks] == ["t1"]
        assert told.changes() is None
        await wish(store, "t1", TaskState.SHUTDOWN)
        changes = told.changes()
        assert changes is not None
        assert [each.desired_state for each in changes.tasks] == [TaskState.SHUTDOWN]
        own = store.tables.find(Task, "t1")
        assert own is not None
        await store.apply(Update(replace(own, status=TaskStatus(state=TaskState.RUNNING))))
        assert told.changes() is None
        await store.apply(Remove(store.tables.find(Task, "t1")))
        changes = told.changes()
        assert changes is not None
        assert changes.removed_tasks == ("t1",)

    run(scenario())


def test_messages_survive_the_wire():
    message = Assigned(revision=3, complete=True, tasks=(task("t1", Env=["A=1"]),))
    assert DOWN.decode(encode_line(message)) == message


# --- reports --------------------------------------------------------------------------------------


class Unlucky(MemoryStore):
    """Loses the first races."""

    def __init__(self, losses: int) -> None:
        super().__init__(VirtualClock().now_ns)
        self.losses = losses
        self.transactions = 0

    async def apply(self, *changes) -> int:
        self.transactions += bool(changes)
        if self.losses and all(isinstance(one, Update) for one in changes):
            self.losses -= 1
            raise OutOfDate
        return await super().apply(*changes)


@pytest.mark.parametrize("losses", [0, 1, 5])
def test_reports_are_written_together_and_again_after_a_lost_race(losses):
    async def scenario() -> None:
        store = Unlucky(0)
        await begin(store, *[task(f"t{number}") for number in range(50)])
        store.losses, store.transactions = losses, 0
        writer = ReportWriter(store, VirtualClock())
        running = asyncio.ensure_future(writer.run())
        calls = [
            writer.write("node1", [report(f"t{number}", TaskState.RUNNING)]) for number in range(50)
        ]
        await asyncio.gather(*calls)
        running.cancel()
        assert all(one.status.state == TaskState.RUNNING for one in store.tables.all(Task))
        assert losses or store.transactions == 1

    run(scenario())


@pytest.mark.parametrize(
    ("node_id", "sent"),
    [
        ("node1", report("t1", TaskState.PREPARING)),
        ("node2", report("t1", TaskState.FAILED)),
        ("node1", report("gone", TaskState.RUNNING)),
        ("node1", report("t1", TaskState.RUNNING, at_ns=1, message="older")),
        ("node1", report("t1", TaskState.ORPHANED, at_ns=9)),
    ],
    ids=["a step back", "another node's", "removed", "older", "a manager's"],
)
def test_what_is_no_news_is_dropped(node_id, sent):
    async def scenario() -> None:
        store = new_store()
        running = TaskStatus(state=TaskState.RUNNING, timestamp_ns=5)
        await begin(store, replace(task("t1"), status=running))
        writer = ReportWriter(store, VirtualClock())
        work = asyncio.ensure_future(writer.run())
        await writer.write(node_id, [sent])
        work.cancel()
        assert status(store, "t1") == running

    run(scenario())


# --- sessions -------------------------------------------------------------------------------------


def test_a_stranger_and_an_old_session_are_refused():
    async def scenario() -> None:
        store = new_store()
        await begin(store)
        manager = Manager(store)
        hello = Hello(description=NodeDescription())
        with pytest.raises(NotFound):
            await anext(manager.dispatcher.session("stranger", hello, ""))
        async with aclosing(manager.dispatcher.session("node1", hello, "")) as first:
            old = await anext(first)
            async with aclosing(manager.dispatcher.session("node1", hello, "")) as second:
                new = await anext(second)
                with pytest.raises(NotFound):
                    await manager.dispatcher.beat("node1", old.session)
                assert await manager.dispatcher.beat("node1", new.session) == 5_000_000_000
        await manager.die()

    run(scenario())


def test_a_manager_whose_replica_is_behind_waits_before_it_says_what_to_run():
    async def scenario() -> None:
        store = new_store()
        await begin(store)
        manager = Manager(store)
        hello = Hello(description=NodeDescription(), revision=store.tables.revision + 2)
        stream = manager.dispatcher.session("node1", hello, "")
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(1)
        assert not first.done()
        await store.apply(Create(task("t1")), Create(task("t2")))
        await store.apply(Create(task("t3")))
        await first
        messages = [await anext(stream) for _ in range(3)]
        assert len(messages[-1].tasks) == 3
        await stream.aclose()
        await manager.die()

    run(scenario())


class Claims:
    def __init__(self, claims: dict[str, int] | None) -> None:
        self.now = claims

    async def claims(self) -> dict[str, int]:
        if self.now is None:
            await asyncio.sleep(3600)
        return self.now


def test_the_leader_declares_down_what_nobody_has_in_session():
    async def scenario() -> None:
        store, clock = new_store(), VirtualClock()
        ready = NodeStatus(state=NodeState.READY, since_ns=clock.now_ns())
        await begin(store, *[replace(node(f"n{number}"), status=ready) for number in range(3)])
        here = Claims({"n0": ready.since_ns, "n1": ready.since_ns - 1})
        work = asyncio.ensure_future(Liveness(store, clock, lambda: [here, Claims(None)]).run())

        def state(node_id: str) -> NodeState:
            found = store.tables.find(Node, node_id)
            assert found is not None
            return found.status.state

        await asyncio.sleep(14)
        assert state("n1") == state("n2") == NodeState.READY
        await until(lambda: state("n1") == state("n2") == NodeState.DOWN, 30)
        assert state("n0") == NodeState.READY
        work.cancel()

    run(scenario())


# --- logs -----------------------------------------------------------------------------------------


def line(task_id: str, text: str) -> LogLine:
    return LogLine(task_id=task_id, stream="stdout", time_ns=1, data=text.encode())


def test_logs_come_from_the_node_and_end():
    async def scenario() -> None:
        store, machine = new_store(), Machine()
        await begin(store, task("t1"), task("t2"))
        manager = Manager(store)
        agent = RunningAgent(machine, [manager.link("node1", Net())])
        await until(lambda: status(store, "t1").state == TaskState.RUNNING)
        machine.log = {
            "t1": [line("t1", f"{number}\n") for number in range(3000)],
            "t2": [line("t2", "x")],
        }
        logs = TaskLogs(store, lambda: [manager.broker])
        tasks = store.tables.all(Task)
        found = [one async for one in logs.read(tasks, LogOptions())]
        own = [one.data for one in found if one.task_id == "t1"]
        assert own == [one.data for one in machine.log["t1"]]
        assert len(found) == 3001
        await agent.kill()
        await manager.die()

    run(scenario())


def test_following_goes_on_with_later_tasks_until_the_reader_goes():
    async def scenario() -> None:
        store, machine = new_store(), Machine()
        await begin(store, task("t1"))
        manager = Manager(store)
        agent = RunningAgent(machine, [manager.link("node1", Net())])
        await until(lambda: status(store, "t1").state == TaskState.RUNNING)
        machine.log = {"t1": [line("t1", "one")], "t2": [line("t2", "two")]}
        logs = TaskLogs(store, lambda: [manager.broker])
        options = LogOptions(follow=True)
        reading = logs.read(store.tables.all(Task), options, later=lambda _: True)
        assert (await anext(reading)).data == b"one"
        await store.apply(Create(task("t2")))
        assert (await anext(reading)).data == b"two"
        await reading.aclose()
        assert not manager.broker._queues
        await agent.kill()
        await manager.die()

    run(scenario())


def test_a_node_that_cannot_be_asked_is_told_of_at_the_end():
    async def scenario() -> None:
        store = new_store()
        running = TaskStatus(state=TaskState.RUNNING)
        await begin(store, replace(task("t1"), status=running))
        manager = Manager(store)
        logs = TaskLogs(store, lambda: [manager.broker])
        with pytest.raises(IncompleteLogs, match="node node1 is not available"):
            async for _ in logs.read(store.tables.all(Task), LogOptions()):
                raise AssertionError("there is nothing to read")
        await manager.die()

    run(scenario())
