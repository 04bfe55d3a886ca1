import asyncio

from sampan.lib.workers import Workers
from sampan.swarm.agent.local import TaskFolder, TaskRecord, TaskRecords
from sampan.swarm.model import TaskStatus
from sampan.swarm.states import TaskState
from unit.swarm.agent.fake_node import task


def test_records_come_back_as_they_were_until_they_are_forgotten(tmp_path):
    async def scenario() -> None:
        records = TaskRecords(TaskFolder(tmp_path / "tasks"), Workers())
        assert await records.load() == []
        first = TaskRecord(task=task("t1", Env=["A=1"]), status=TaskStatus(state=TaskState.READY))
        second = TaskRecord(task=task("t2"), status=TaskStatus(state=TaskState.RUNNING))
        await records.save(first)
        await records.save(second)
        await records.save(TaskRecord(task=second.task, status=first.status))
        await records.forget("t1")
        await records.forget("gone")
        found = await TaskRecords(TaskFolder(tmp_path / "tasks"), Workers()).load()
        assert found == [TaskRecord(task=second.task, status=first.status)]

    asyncio.run(scenario())


def test_records_are_for_root_alone(tmp_path):
    folder = TaskFolder(tmp_path / "tasks")
    folder.put("t1", b"{}")
    assert (tmp_path / "tasks").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "tasks" / "t1.json").stat().st_mode & 0o777 == 0o600
