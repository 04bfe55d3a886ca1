"""What a new daemon makes of what a killed one left."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from integration.containers.waiting import eventually
from sampan.engine.containers import record
from sampan.wire.containers import PortBinding, RestartSettings

pytestmark = pytest.mark.integration


def test_running_containers_are_adopted_with_ports_and_log(play):
    async def scenario(world):
        bindings = {"80/tcp": [PortBinding(HostIp="127.0.0.1")]}
        script = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"
        identifier = await world.run("sh", "-c", script, name="kept", PortBindings=bindings)
        before = world.registry.get(identifier)
        world = await world.reborn()
        after = world.registry.get("kept")
        assert after.state.pid == before.state.pid
        assert after.ports == before.ports
        lines = len(world.log(identifier).splitlines())
        await eventually(lambda: len(world.log(identifier).splitlines()) > lines + 3)
        numbers = [int(line) for line in world.log(identifier).splitlines()]
        assert numbers == list(range(1, len(numbers) + 1))
        second = await world.run("true")
        assert await world.ended(second) == 0
        await world.stopper.stop("kept", 0)
        assert world.registry.get("kept").state.exit_code == 137
        await world.remover.remove("kept")

    play(scenario)


def test_ends_that_nobody_saw_are_recorded(play):
    async def scenario(world):
        ended = await world.run("sh", "-c", "sleep 0.5; exit 7")
        removed = await world.run("sh", "-c", "sleep 0.5; exit 8", AutoRemove=True)
        policy = RestartSettings(Name="on-failure")
        again = await world.run("sh", "-c", "echo up; sleep 0.5; exit 9", RestartPolicy=policy)
        await world.die()
        await asyncio.sleep(1)
        world = await world.reborn()
        state = world.registry.get(ended).state
        assert (state.status, state.exit_code) == ("exited", 7)
        assert world.registry.find(removed) is None
        assert not world.paths.home(removed).exists()
        assert not world.snapshots.exists(removed)
        await eventually(lambda: world.log(again).count("up") >= 2)

    play(scenario)


def test_a_reboot_ends_everything_and_policies_start_again(play):
    async def scenario(world):
        plain = await world.run("sleep", "60")
        always = await world.run("sleep", "60", RestartPolicy=RestartSettings(Name="always"))
        unless = await world.create(
            "sleep", "60", RestartPolicy=RestartSettings(Name="unless-stopped")
        )
        await world.starter.start(unless)
        await world.stopper.stop(unless, 0)
        temporary = await world.run("sleep", "60", AutoRemove=True)
        await world.die()
        for container in world.registry.list():
            if container.state.pid:
                os.kill(container.state.pid, 9)
        folders = [world.paths.task_dir(one) for one in (plain, always, temporary)]
        await eventually(lambda: all((folder / "exit.json").exists() for folder in folders))
        for folder in folders:  # the exec root is empty after a reboot
            shutil.rmtree(folder, ignore_errors=True)
        world = await world.reborn()
        assert world.registry.get(plain).state.exit_code == 137
        assert world.registry.get(plain).state.status == "exited"
        assert world.registry.find(temporary) is None
        await eventually(lambda: world.registry.get(always).state.status == "running")
        assert world.registry.get(unless).state.status == "exited"

    play(scenario)


def test_always_starts_again_even_after_a_manual_stop(play):
    async def scenario(world):
        always = await world.run("sleep", "60", RestartPolicy=RestartSettings(Name="always"))
        await world.stopper.stop(always, 0)
        world = await world.reborn()
        await eventually(lambda: world.registry.get(always).state.status == "running")

    play(scenario)


def test_a_start_that_was_not_committed_is_undone(play):
    async def scenario(world):
        kept = await world.create("sleep", "60")
        temporary = await world.create("sleep", "60", AutoRemove=True)
        before = {one: world.registry.get(one) for one in (kept, temporary)}
        for one in before:
            await world.starter.start(one)
        pid = world.registry.get(kept).state.pid
        for one, container in before.items():  # the daemon died between launch and commit
            await world.registry.update(one, lambda _, was=container: was)
        world = await world.reborn()
        assert world.registry.get(kept).state.status == "created"
        assert world.registry.find(temporary) is None
        assert not (world.paths.task_dir(kept)).exists()
        await eventually(lambda: not _alive(pid))
        await world.starter.start(kept)
        assert world.registry.get(kept).state.status == "running"

    play(scenario)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_leftovers_without_a_record_are_cleaned(play):
    async def scenario(world):
        identifier = await world.run("sleep", "60")
        container = world.registry.get(identifier)
        await world.stopper.stop(identifier, 0)
        await world.rootfs.acquire(identifier)  # as if mounted when the daemon died
        await world.workers.run(world.registry._documents.remove, identifier)
        world = await world.reborn()
        assert world.registry.find(identifier) is None
        assert not world.paths.home(container.id).exists()
        assert not world.paths.rootfs(container.id).exists()
        assert not world.snapshots.exists(container.id)

    play(scenario)


def test_an_interrupted_removal_is_finished(play):
    async def scenario(world):
        identifier = await world.create("true")
        await world.registry.update(identifier, record.removing)
        world = await world.reborn()
        assert world.registry.find(identifier) is None
        assert not world.paths.home(identifier).exists()

    play(scenario)
