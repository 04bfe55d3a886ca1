"""Containers from create to remove, on the real mechanisms."""

import asyncio
import socket
from pathlib import Path

import pytest

from integration.containers.waiting import eventually
from sampan.engine.containers.registry import NameTaken, NoSuchContainer
from sampan.engine.containers.remove import CannotRemove
from sampan.engine.containers.start import CommandFailed
from sampan.engine.containers.stop import CannotKill
from sampan.errors import Conflict, InvalidArgument, NotFound, NotModified, SampanError
from sampan.linux.mounts import mounts_below
from sampan.wire.container_views import UpdateRequest
from sampan.wire.containers import (
    LogSettings,
    Mount,
    PortBinding,
    RestartSettings,
)
from sampan.wire.filters import Filters

pytestmark = pytest.mark.integration


def nothing_left(world, identifier: str) -> bool:
    paths = world.paths
    places = [paths.home(identifier), paths.task_dir(identifier), paths.rootfs(identifier)]
    return (
        not any(place.exists() for place in places)
        and not world.snapshots.exists(identifier)
        and not (world.home / "exec" / "netns" / identifier).exists()
        and not mounts_below(world.paths.rootfs_mounts)
    )


def network_namespace(pid: int | str) -> str:
    return f"{Path(f'/proc/{pid}/ns/net').readlink()}\n"


def test_a_run_tells_its_story_in_order(play):
    async def scenario(world):
        identifier = await world.run("sh", "-c", "echo hello; exit 3", name="story")
        assert await world.ended(identifier) == 3
        assert world.log(identifier) == "hello\n"
        state = world.registry.get("story").state
        assert (state.status, state.exit_code) == ("exited", 3)
        await world.remover.remove("story")
        assert world.story(identifier) == ["create", "start", "die", "destroy"]
        die = next(one for one in world.events_of(identifier) if one.action == "die")
        assert die.attributes["exitCode"] == "3"
        assert die.attributes["execDuration"] == "0"
        assert nothing_left(world, identifier)

    play(scenario)


def test_auto_removed_containers_leave_nothing(play):
    async def scenario(world):
        identifier = await world.create(
            "sh", "-c", "echo x > /data/f; exit 6", AutoRemove=True, Binds=["/data"]
        )
        ticket = world.waiter.register(identifier, "removed")
        await world.starter.start(identifier)
        assert (await ticket.result()).exit_code == 6
        assert world.registry.find(identifier) is None
        assert world.story(identifier) == ["create", "start", "die", "destroy"]
        await eventually(lambda: nothing_left(world, identifier))
        await eventually(lambda: world.volume_store.list() == [])

    play(scenario)


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("nosuchcommand", 127, "executable file not found"),
        ("/etc/passwd", 126, "permission denied"),
    ],
)
def test_a_command_that_cannot_run_is_told_and_kept(play, command, code, text):
    async def scenario(world):
        identifier = await world.create(command)
        with pytest.raises(CommandFailed, match=text) as failure:
            await world.starter.start(identifier)
        assert failure.value.message.startswith("failed to create task for container: ")
        state = world.registry.get(identifier).state
        assert (state.status, state.exit_code, state.pid) == ("created", code, 0)
        assert state.error == failure.value.message
        assert world.story(identifier) == ["create"]
        await world.remover.remove(identifier)
        assert nothing_left(world, identifier)

    play(scenario)


def test_a_failed_start_of_an_auto_removed_container_removes_it(play):
    async def scenario(world):
        identifier = await world.create("nosuch", AutoRemove=True)
        ticket = world.waiter.register(identifier, "removed")
        with pytest.raises(CommandFailed):
            await world.starter.start(identifier)
        assert (await ticket.result()).exit_code == 127
        assert nothing_left(world, identifier)

    play(scenario)


def test_a_taken_port_leaves_the_second_container_created(play):
    async def scenario(world):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        bindings = {"80/tcp": [PortBinding(HostIp="127.0.0.1", HostPort=port)]}
        first = await world.run("sleep", "60", PortBindings=bindings)
        assert world.registry.get(first).ports[0].host_port == int(port)
        second = await world.create("sleep", "60", PortBindings=bindings)
        with pytest.raises(SampanError, match=f"{port}.*port is already allocated"):
            await world.starter.start(second)
        assert world.registry.get(second).state.status == "created"
        await world.remover.remove(first, force=True)
        await world.starter.start(second)
        assert world.registry.get(second).ports[0].host_port == int(port)

    play(scenario)


def test_names_are_unique_and_come_back(play):
    async def scenario(world):
        first = await world.create("true", name="one")
        with pytest.raises(NameTaken, match=first):
            await world.create("true", name="one")
        await world.renamer.rename("one", "two")
        again = await world.create("true", name="one")
        with pytest.raises(Conflict, match="already in use"):
            await world.renamer.rename("one", "two")
        await world.remover.remove("two")
        await world.renamer.rename(again, "two")
        assert world.registry.get("/two").id == again

    play(scenario)


def test_a_refused_creation_leaves_nothing(play):
    async def scenario(world):
        missing = Mount(Type="bind", Source="/nosuch/dir", Target="/m")
        for host in (
            {"Mounts": [missing]},
            {"Memory": 1000},
            {"LogConfig": LogSettings(Type="json-file", Config={"nosuch": "1"})},
            {"Binds": ["vol:/a"], "VolumeDriver": "nosuchdriver"},
            {"Links": ["nobody:x"]},
            {"Runtime": "nosuchruntime"},
            {"SecurityOpt": ["nosuch=1"]},
        ):
            with pytest.raises((InvalidArgument, NotFound)):
                await world.create("true", **host)
        assert world.registry.list() == []
        assert list(world.paths.homes.iterdir()) == []
        assert [one for one in world.snapshots.walk() if not one.committed] == []
        assert world.volume_store.list() == []

    play(scenario)


def test_stop_uses_the_signal_then_force(play):
    async def scenario(world):
        script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"
        polite = await world.run("sh", "-c", script)
        await eventually(lambda: world.log(polite) == "up\n")
        await world.stopper.stop(polite, 10)
        assert world.registry.get(polite).state.exit_code == 5
        assert world.log(polite) == "up\nbye\n"
        assert world.story(polite) == ["create", "start", "kill", "die", "stop"]
        with pytest.raises(NotModified):
            await world.stopper.stop(polite)
        deaf = await world.run("sleep", "60")
        await world.stopper.stop(deaf, 0)
        assert world.registry.get(deaf).state.exit_code == 137
        with pytest.raises(CannotKill, match=f"container {deaf} is not running"):
            await world.stopper.kill(deaf)

    play(scenario)


def test_restart_keeps_auto_removed_containers(play):
    async def scenario(world):
        identifier = await world.run("sh", "-c", "echo up; sleep 60", AutoRemove=True)
        before = world.registry.get(identifier).state.pid
        await world.stopper.restart(identifier, 0)
        after = world.registry.get(identifier).state
        assert after.running
        assert after.pid != before
        await eventually(lambda: world.log(identifier) == "up\nup\n")
        story = world.story(identifier)
        assert story[2:] == ["kill", "kill", "die", "stop", "start", "restart"]

    play(scenario)


def test_pause_freezes_and_a_stop_thaws(play):
    async def scenario(world):
        identifier = await world.run("sleep", "60")
        await world.pauser.pause(identifier)
        assert world.registry.get(identifier).state.status == "paused"
        with pytest.raises(Conflict, match="already paused"):
            await world.pauser.pause(identifier)
        with pytest.raises(Conflict, match="paused container"):
            await world.starter.start(identifier)
        with pytest.raises(CannotRemove, match="must be unpaused first"):
            await world.remover.remove(identifier)
        await world.pauser.unpause(identifier)
        with pytest.raises(Conflict, match="not paused"):
            await world.pauser.unpause(identifier)
        await world.pauser.pause(identifier)
        await world.stopper.stop(identifier, 0)
        assert world.registry.get(identifier).state.status == "exited"

    play(scenario)


def test_on_failure_restarts_so_many_times(play):
    async def scenario(world):
        policy = RestartSettings(Name="on-failure", MaximumRetryCount=2)
        identifier = await world.run("sh", "-c", "echo try; exit 1", RestartPolicy=policy)
        await eventually(lambda: world.story(identifier).count("die") == 3)
        await eventually(lambda: world.registry.get(identifier).state.status == "exited")
        await asyncio.sleep(0.5)
        container = world.registry.get(identifier)
        assert (container.restart_count, container.state.exit_code) == (2, 1)
        assert world.log(identifier) == "try\ntry\ntry\n"

    play(scenario)


def test_a_stop_ends_what_a_policy_would_go_on_with(play):
    async def scenario(world):
        policy = RestartSettings(Name="always")
        identifier = await world.run("sh", "-c", "sleep 0.1", RestartPolicy=policy)
        await eventually(lambda: world.story(identifier).count("start") == 3)
        await world.stopper.stop(identifier, 0)
        starts = world.story(identifier).count("start")
        await asyncio.sleep(1)
        assert world.registry.get(identifier).state.status == "exited"
        assert world.story(identifier).count("start") == starts

    play(scenario)


@pytest.mark.parametrize("pause_s", [0, 0.01, 0.03, 0.06, 0.1, 0.15])
def test_a_stop_at_any_moment_of_a_restart_holds(play, pause_s):
    async def scenario(world):
        policy = RestartSettings(Name="always")
        identifier = await world.run("true", RestartPolicy=policy)
        await eventually(lambda: world.story(identifier).count("die") == 2)
        await asyncio.sleep(pause_s)
        await world.stopper.stop(identifier, 0)
        state = world.registry.get(identifier).state
        assert (state.status, state.restarting) == ("exited", False)
        starts = world.story(identifier).count("start")
        await asyncio.sleep(0.7)
        assert world.story(identifier).count("start") == starts

    play(scenario)


def test_force_removes_what_restarts_all_the_time(play):
    async def scenario(world):
        policy = RestartSettings(Name="always")
        identifier = await world.run("false", RestartPolicy=policy)
        await eventually(lambda: world.registry.get(identifier).state.restarting)
        with pytest.raises(CannotRemove, match="is restarting"):
            await world.remover.remove(identifier)
        await world.remover.remove(identifier, force=True)
        await asyncio.sleep(0.5)
        assert nothing_left(world, identifier)

    play(scenario)


def test_volumes_are_filled_shared_and_removed(play):
    async def scenario(world):
        first = await world.create("true", Binds=["named:/etc", "/own"], name="donor")
        assert (world.volume_store.get("named").mountpoint / "passwd").exists()
        second = await world.run(
            "sh", "-c", "ls /etc/passwd; touch /own/x", VolumesFrom=["donor:ro"]
        )
        await world.ended(second)
        assert "/etc/passwd\n" in world.log(second)
        assert "Read-only file system" in world.log(second)
        anonymous = next(one.name for one in world.registry.get(first).mounts if one.own)
        await world.remover.remove(first, volumes=True)
        assert world.volume_store.find(anonymous) is not None  # the second still uses it
        await world.remover.remove(second, volumes=True)
        assert [one.name for one in world.volume_store.list()] == ["named"]
        world.volume_store.remove("named")

    play(scenario)


def test_binds_and_tmpfs_appear_inside(play, tmp_path):
    async def scenario(world):
        (tmp_path / "data").write_text("from host\n")
        identifier = await world.run(
            "sh",
            "-c",
            "cat /m/data; touch /ro/x; mount | grep scratch; pwd",
            Binds=[f"{tmp_path}:/m", f"{tmp_path}:/ro:ro", f"{tmp_path}/new:/new"],
            Tmpfs={"/scratch": "size=2m,mode=1770"},
            config={"WorkingDir": "/tmp/new/dir"},
        )
        await world.ended(identifier)
        log = world.log(identifier)
        assert "from host\n" in log
        assert "Read-only file system" in log
        assert "tmpfs on /scratch type tmpfs" in log
        assert "size=2048k,mode=1770" in log
        assert log.endswith("/tmp/new/dir\n")
        assert (tmp_path / "new").is_dir()

    play(scenario)


def test_network_modes(play):
    async def scenario(world):
        none = await world.run("ls", "/sys/class/net", NetworkMode="none")
        host = await world.run("readlink", "/proc/self/ns/net", NetworkMode="host")
        owner = await world.run("sleep", "60", name="owner")
        shared = await world.run("readlink", "/proc/1/ns/net", NetworkMode="container:owner")
        for identifier in (none, host, shared):
            await world.ended(identifier)
        assert world.log(none) == "lo\n"
        assert world.log(host) == network_namespace("self")
        pid = world.registry.get(owner).state.pid
        assert world.log(shared) == network_namespace(pid)
        assert world.registry.get(shared).config.Hostname == owner[:12]
        await world.stopper.stop(owner, 0)
        with pytest.raises(Conflict, match="non running container"):
            await world.starter.start(shared)
        missing = await world.create("true", NetworkMode="nosuchnet")
        with pytest.raises(NotFound, match="network nosuchnet not found"):
            await world.starter.start(missing)

    play(scenario)


def test_links_bring_names_and_environment(play):
    async def scenario(world):
        target = await world.run(
            "sleep", "60", name="db1", config={"Env": ["TOKEN=t"], "ExposedPorts": {"80/tcp": {}}}
        )
        address = world.registry.get(target).networks["bridge"].endpoint.ipv4
        user = await world.run("sh", "-c", "env; cat /etc/hosts", name="user", Links=["db1:db"])
        await world.ended(user)
        log = world.log(user)
        assert "DB_ENV_TOKEN=t\n" in log
        assert f"DB_PORT_80_TCP=tcp://{address}:80\n" in log
        assert f"{address}\tdb {target[:12]} db1\n" in log
        rows = await world.lister.list(Filters(), everything=True)
        assert next(row for row in rows if row.Id == target).Names == ["/db1", "/user/db"]
        await world.stopper.stop(target, 0)
        with pytest.raises(Conflict, match="Cannot link to a non running container"):
            await world.starter.start(user)
        await world.remover.remove("/user/db", link=True)
        await world.starter.start(user)

    play(scenario)


def test_namespaces_of_others(play):
    async def scenario(world):
        donor = await world.run(
            "sh", "-c", "echo x > /dev/shm/f; sleep 77", IpcMode="shareable", name="donor"
        )
        shm = world.paths.shm(donor) / "f"
        await eventually(shm.exists)
        reader = await world.run("cat", "/dev/shm/f", IpcMode="container:donor")
        watcher = await world.run("ps", PidMode="container:donor")
        await world.ended(reader)
        await world.ended(watcher)
        assert world.log(reader) == "x\n"
        assert "sleep 77" in world.log(watcher)
        await world.remover.remove(donor, force=True)
        assert not world.paths.shm(donor).exists()

    play(scenario)


def test_who_attached_before_the_start_misses_nothing(play):
    async def scenario(world):
        identifier = await world.create(
            "sh", "-c", "read x; echo got $x", config={"OpenStdin": True}
        )
        early = world.hub.register(identifier, stdin=True, stdout=True, stderr=True)
        gone = world.hub.register(identifier, stdin=False, stdout=True, stderr=True)
        await gone.cancel()
        await world.starter.start(identifier)
        stream = await early.stream()
        await stream.write(b"it\n")
        output = b""
        while data := await stream.read():
            output += data
        assert output[8:] == b"got it\n"
        await stream.aclose()
        never = await world.create("true")
        waiting = world.hub.register(never, stdin=False, stdout=True, stderr=True)
        await world.remover.remove(never)
        assert await waiting.stream() is None

    play(scenario)


def test_starts_stops_and_removals_at_once_end_in_order(play):
    async def scenario(world):
        identifier = await world.create("sleep", "60")
        outcomes = await asyncio.gather(
            world.starter.start(identifier),
            world.starter.start(identifier),
            world.starter.start(identifier),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in outcomes) == [
            "NoneType",
            "NotModified",
            "NotModified",
        ]
        outcomes = await asyncio.gather(
            world.stopper.stop(identifier, 0),
            world.stopper.kill(identifier),
            world.remover.remove(identifier, force=True),
            world.remover.remove(identifier, force=True),
            return_exceptions=True,
        )
        for outcome in outcomes:
            assert outcome is None or isinstance(outcome, SampanError), repr(outcome)
        with pytest.raises(NoSuchContainer):
            world.registry.get(identifier)
        await eventually(lambda: nothing_left(world, identifier))

    play(scenario)


def test_a_client_that_goes_away_does_not_stop_the_start(play):
    async def scenario(world):
        identifier = await world.create("sleep", "60")
        starting = asyncio.create_task(world.starter.start(identifier))
        await asyncio.sleep(0.005)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await eventually(lambda: world.registry.get(identifier).state.status == "running")

    play(scenario)


def test_update_changes_limits_of_a_running_container(play):
    async def scenario(world):
        identifier = await world.run("sleep", "60", Memory=64 << 20)
        with pytest.raises(Conflict, match="memoryswap at the same time"):
            await world.updater.update(identifier, UpdateRequest(Memory=512 << 20))
        await world.updater.update(
            identifier,
            UpdateRequest(
                Memory=128 << 20,
                MemorySwap=256 << 20,
                RestartPolicy=RestartSettings(Name="unless-stopped"),
                PidsLimit=50,
            ),
        )
        host = world.registry.get(identifier).host
        assert (host.Memory, host.PidsLimit) == (128 << 20, 50)
        assert host.RestartPolicy.Name == "unless-stopped"

    play(scenario)


def test_out_of_memory_is_told(play):
    async def scenario(world):
        identifier = await world.run("tail", "/dev/zero", Memory=20 << 20, MemorySwap=20 << 20)
        assert await world.ended(identifier) == 137
        assert world.registry.get(identifier).state.oom_killed
        assert "oom" in world.story(identifier)

    play(scenario)
