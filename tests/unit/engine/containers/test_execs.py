import asyncio
from contextlib import asynccontextmanager

import pytest

from sampan.engine.containers import execs as execs_module
from sampan.engine.containers.execs import Execs, exec_environment, with_home
from sampan.engine.containers.live import Background
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import State
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.events import EventLog
from sampan.errors import Internal
from sampan.lib.workers import Workers
from sampan.store.metadata import Database, Documents
from sampan.wire.execs import ExecCreate, ExecStart
from unit.engine.containers.samples import container

BASE = ["PATH=/bin", "HOME=/root", "A=1"]


def test_the_execs_own_variables_win_and_new_ones_follow() -> None:
    request = ExecCreate(Env=["A=2", "B=3"])
    assert exec_environment(BASE, request) == ["PATH=/bin", "HOME=/root", "A=2", "B=3"]


def test_a_name_without_a_value_removes_the_variable() -> None:
    assert exec_environment(BASE, ExecCreate(Env=["A"])) == ["PATH=/bin", "HOME=/root"]


def test_a_terminal_brings_term_unless_there_is_one() -> None:
    assert exec_environment(BASE, ExecCreate(Tty=True))[-1] == "TERM=xterm"
    assert exec_environment(["TERM=vt100"], ExecCreate(Tty=True)) == ["TERM=vt100"]


def test_another_user_gets_its_own_home() -> None:
    assert with_home(BASE, "/home/u") == ["PATH=/bin", "A=1", "HOME=/home/u"]


class SlowTask:
    """A container's task whose exec starts when told."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.sizes: list[tuple[int, int]] = []
        self.pid = 7
        self.stream = None

    def task(self, _container_id):
        return self

    find_task = task

    def warm_up(self):
        pass

    async def exec(self, _spec):
        await self.go.wait()
        return self

    async def wait(self):
        await asyncio.sleep(60)

    async def resize(self, rows, columns):
        self.sizes.append((rows, columns))


@asynccontextmanager
async def execs_of(one, task, tmp_path):
    paths = ContainerPaths(data_root=tmp_path, exec_root=tmp_path)
    bundle = paths.bundle(one.id)
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text('{"process": {}}')
    background, workers = Background(), Workers()
    database = Database(tmp_path / "db")
    registry = ContainerRegistry(documents=Documents(database, "container"), workers=workers)
    await registry.add(one)
    try:
        yield Execs(
            registry=registry,
            live=task,
            background=background,
            paths=paths,
            facts=None,
            events=EventLog(),
            workers=workers,
        )
    finally:
        await background.aclose()
        database.close()


def test_a_resize_waits_for_the_start_under_way(tmp_path) -> None:
    async def scenario() -> None:
        one, task = container(state=State(pid=7)), SlowTask()
        async with execs_of(one, task, tmp_path) as execs:
            made = await execs.create(one.id, ExecCreate(Cmd=["sh"], Tty=True))
            starting = asyncio.ensure_future(execs.start(made, ExecStart(Tty=True)))
            resizing = asyncio.ensure_future(execs.resize(made, rows=25, columns=80))
            await asyncio.sleep(0.05)
            assert not resizing.done()
            task.go.set()
            await starting
            await resizing
            assert task.sizes == [(25, 80)]

    asyncio.run(scenario())


def test_a_resize_of_an_exec_that_nobody_starts_fails_in_the_end(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(execs_module, "START_S", 0.01)

    async def scenario() -> None:
        one = container(state=State(pid=7))
        async with execs_of(one, SlowTask(), tmp_path) as execs:
            made = await execs.create(one.id, ExecCreate(Cmd=["sh"], Tty=True))
            with pytest.raises(Internal, match="timeout waiting for exec session ready"):
                await execs.resize(made, rows=25, columns=80)

    asyncio.run(scenario())
