"""Tasks with the real zygote, monitor, OCI runtime and kernel."""

import asyncio
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from integration.runtime.conftest import collect
from sampan.errors import Conflict
from sampan.runtime.tasks import ExecSpec, ExitStatus, LaunchFailed, Task, TaskStream
from sampan.wire.containers import HostSettings
from sampan.wire.stdcopy import Demultiplexer, Stream

pytestmark = pytest.mark.integration

PROCESS = {
    "cwd": "/",
    "env": ["PATH=/bin"],
    "user": {"uid": 0, "gid": 0},
}


def output(data: bytes, stream: Stream = Stream.STDOUT) -> bytes:
    return b"".join(part for kind, part in Demultiplexer().feed(data) if kind is stream)


async def rest_of(stream: TaskStream) -> bytes:
    """What is still to come, to the end; then lets go."""
    found = bytearray()
    while part := await stream.read():
        found += part
    await stream.aclose()
    return bytes(found)


async def finish(task: Task) -> ExitStatus:
    status = await task.wait()
    await task.delete()
    return status


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_output_is_framed_logged_and_the_exit_code_known(bench, run):
    spec = bench.spec("sh", "-c", "echo out; echo err >&2; exit 3")

    async def scenario(service):
        task = await service.create(spec)
        read = await collect(task)
        pid = await task.launch()
        assert pid > 0
        assert task.started_ns > 0
        status = await task.wait()
        assert (status.code, status.oom_killed) == (3, False)
        data = await read()
        assert output(data) == b"out\n"
        assert output(data, Stream.STDERR) == b"err\n"
        await task.delete()
        assert not spec.state_dir.exists()
        assert not any(folder.exists() for folder in bench.layout.folders(spec.cgroup_path))

    run(scenario)
    assert sorted((row["stream"], row["log"]) for row in bench.log(spec)) == [
        ("stderr", "err\n"),
        ("stdout", "out\n"),
    ]


def test_instant_exits_never_lose_their_status(bench, run):
    async def scenario(service):
        for code in range(12):
            task = await service.create(bench.spec("sh", "-c", f"exit {code}", log=False))
            await task.launch()
            assert (await finish(task)).code == code

    run(scenario)


def test_a_signal_gives_128_and_its_number(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("sleep", "60"))
        await task.launch()
        with pytest.raises(Conflict):
            await task.delete()
        await task.kill(signal.SIGKILL)
        assert (await finish(task)).code == 137

    run(scenario)


def test_stdin_arrives_complete_after_half_close(bench, run):
    data = os.urandom(1 << 20) * 3

    async def scenario(service):
        spec = bench.spec("sh", "-c", "wc -c; echo done", open_stdin=True, stdin_once=True)
        task = await service.create(spec)
        stream = await task.attach(stdin=True, stdout=True, stderr=True)
        await task.launch()
        await stream.write(data)
        stream.close_stdin()
        found = await rest_of(stream)
        assert output(found).split() == [str(len(data)).encode(), b"done"]
        assert (await finish(task)).code == 0

    run(scenario)


def test_stdin_stays_open_when_a_client_leaves_without_stdin_once(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("cat", open_stdin=True))
        await task.launch()
        for text in (b"one\n", b"two\n"):
            stream = await task.attach(stdin=True, stdout=True, stderr=False)
            await stream.write(text)
            stream.close_stdin()
            assert output(await stream.read()) == text
            await stream.aclose()
        await task.kill(signal.SIGKILL)
        await finish(task)

    run(scenario)


def test_without_open_stdin_there_is_none(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("cat"))
        read = await collect(task, stdin=True)
        await task.launch()
        assert (await finish(task)).code == 0
        assert await read() == b""

    run(scenario)


def test_a_slow_reader_gets_everything_after_the_exit(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("head", "-c", "5000000", "/dev/zero", log=False))
        stream = await task.attach(stdin=False, stdout=True, stderr=True)
        await task.launch()
        found = b""
        for _ in range(8):
            await asyncio.sleep(0.05)
            found += await stream.read(1000)
        found += await rest_of(stream)
        assert len(output(found)) == 5_000_000
        assert (await finish(task)).code == 0

    run(scenario)


def test_output_of_an_ended_container_outlives_its_deletion(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("head", "-c", "900000", "/dev/zero", log=False))
        stream = await task.attach(stdin=False, stdout=True, stderr=True)
        await task.launch()
        await finish(task)
        found = await rest_of(stream)
        assert len(output(found)) == 900_000

    run(scenario)


def test_a_reader_that_stalls_does_not_hold_up_the_log(bench, run):
    async def scenario(service):
        spec = bench.spec("sh", "-c", "yes 0123456789 | head -c 6000000")
        task = await service.create(spec)
        stream = await task.attach(stdin=False, stdout=True, stderr=True)
        await task.launch()
        assert (await asyncio.wait_for(task.wait(), 20)).code == 0
        assert sum(len(row["log"]) for row in bench.log(spec)) == 6_000_000
        found = await rest_of(stream)
        assert len(output(found)) == 6_000_000
        await task.delete()

    run(scenario)


def test_terminal_has_a_size_and_raw_output(bench, run):
    async def scenario(service):
        spec = bench.spec(
            "sh",
            "-c",
            "stty size; read line; stty size; echo $line; tty",
            terminal=True,
            open_stdin=True,
            console_size=(33, 101),
        )
        task = await service.create(spec)
        stream = await task.attach(stdin=True, stdout=True, stderr=True)
        await task.launch()
        assert await stream.read() == b"33 101\r\n"
        await task.resize(20, 70)
        await stream.write(b"hello\n")
        found = await rest_of(stream)
        assert found.startswith(b"hello\r\n20 70\r\nhello\r\n/dev/")
        assert (await finish(task)).code == 0

    run(scenario)


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("nosuch", 127, 'exec: "nosuch": executable file not found in $PATH: unknown'),
        ("/nosuch", 127, 'exec: "/nosuch": stat /nosuch: no such file or directory: unknown'),
        ("/etc/text", 126, 'exec: "/etc/text": permission denied: unknown'),
        ("/etc", 126, 'exec: "/etc": permission denied: unknown'),
    ],
)
def test_a_command_that_cannot_run_is_reported_as_docker_does(bench, run, command, code, text):
    async def scenario(service):
        spec = bench.spec(command)
        task = await service.create(spec)
        read = await collect(task)
        with pytest.raises(LaunchFailed) as failure:
            await task.launch()
        assert failure.value.exit_code == code
        assert failure.value.message.endswith(text)
        assert await read() == b""
        assert bench.log(spec) == []
        await task.delete()

    run(scenario)


def test_exec_has_its_own_streams_and_exit_code(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("sleep", "60"))
        await task.launch()
        process = {**PROCESS, "args": ["sh", "-c", "cat; echo bad >&2; exit 7"]}
        running = await task.exec(ExecSpec(id="one", process=process, stdin=True))
        await running.stream.write(b"input")
        running.stream.close_stdin()
        found = await rest_of(running.stream)
        assert output(found) == b"input"
        assert output(found, Stream.STDERR) == b"bad\n"
        assert await running.wait() == 7
        await task.kill(signal.SIGKILL)
        await finish(task)

    run(scenario)


def test_a_monitor_that_can_not_write_goes_on(bench, run):
    """Folders stand in the way of what it writes, as a full disk would."""

    async def scenario(service):
        spec = bench.spec("sh", "-c", "while [ ! -e /end ]; do sleep 0.05; done; exit 5")
        task = await service.create(spec)
        for name in ("running.json", "exec1.json"):
            (spec.state_dir / name).mkdir()
        await task.launch()
        process = {**PROCESS, "args": ["touch", "/end"]}
        with pytest.raises(LaunchFailed, match="exec: Is a directory"):
            await task.exec(ExecSpec(id="one", process=process))
        running = await task.exec(ExecSpec(id="two", process=process))
        assert await running.wait() == 0
        await running.stream.aclose()
        assert (await finish(task)).code == 5

    run(scenario)


def test_exec_with_terminal_and_failing_exec(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("sleep", "60"))
        await task.launch()
        process = {**PROCESS, "args": ["sh", "-c", "sleep 0.3; stty size"]}
        spec = ExecSpec(id="tty", process=process, terminal=True, console_size=(11, 22))
        running = await task.exec(spec)
        assert await rest_of(running.stream) == b"11 22\r\n"
        assert await running.wait() == 0
        for command, code in (("nosuch", 127), ("/etc/text", 126)):
            with pytest.raises(LaunchFailed, match="OCI runtime exec failed") as failure:
                await task.exec(ExecSpec(id=command, process={**PROCESS, "args": [command]}))
            assert failure.value.exit_code == code
        await task.kill(signal.SIGKILL)
        await finish(task)

    run(scenario)


def test_instant_execs_never_lose_their_status(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("sleep", "60"))
        await task.launch()

        async def one(number: int) -> int:
            process = {**PROCESS, "args": ["sh", "-c", f"exit {number}"]}
            running = await task.exec(ExecSpec(id=f"e{number}", process=process))
            await running.stream.aclose()
            return await running.wait()

        assert await asyncio.gather(*map(one, range(20))) == list(range(20))
        await task.kill(signal.SIGKILL)
        await finish(task)

    run(scenario)


def test_execs_end_with_their_container(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("sleep", "60"))
        await task.launch()
        running = await task.exec(ExecSpec(id="x", process={**PROCESS, "args": ["sleep", "60"]}))
        await running.stream.aclose()
        await task.kill(signal.SIGKILL)
        assert (await finish(task)).code == 137
        assert await asyncio.wait_for(running.wait(), 5) == 137

    run(scenario)


def test_pause_stops_everything_until_resume(bench, run):
    async def scenario(service):
        spec = bench.spec("sh", "-c", "while :; do echo x; sleep 0.02; done")
        task = await service.create(spec)
        await task.launch()
        await task.pause()
        for _ in range(100):  # version 1 freezes in its own time
            if bench.layout.is_frozen(spec.cgroup_path):
                break
            await asyncio.sleep(0.02)
        assert bench.layout.is_frozen(spec.cgroup_path)
        before = len(bench.log(spec))
        await asyncio.sleep(0.2)
        assert len(bench.log(spec)) <= before + 1
        await task.resume()
        await asyncio.sleep(0.2)
        assert len(bench.log(spec)) > before + 1
        await task.kill(signal.SIGKILL)
        await finish(task)

    run(scenario)


def test_a_container_outlives_its_daemon_and_is_adopted(bench, run):
    spec = bench.spec("sh", "-c", "echo one; read x; echo $x; exit 9", open_stdin=True)
    pids = []

    async def first(service):
        task = await service.create(spec)
        pids.append(await task.launch())
        await task.detach()

    async def second(service):
        task = await service.adopt(spec.id, spec)
        assert isinstance(task, Task)
        assert task.pid == pids[0]
        stream = await task.attach(stdin=True, stdout=True, stderr=True)
        await stream.write(b"two\n")
        assert output(await rest_of(stream)) == b"two\n"
        assert (await finish(task)).code == 9

    run(first)
    run(second)
    assert [row["log"] for row in bench.log(spec)] == ["one\n", "two\n"]


def test_an_exit_without_a_daemon_is_found_later(bench, run):
    spec = bench.spec("sh", "-c", "sleep 0.3; echo end; exit 5")

    async def first(service):
        task = await service.create(spec)
        await task.launch()
        await task.detach()

    async def second(service):
        await asyncio.sleep(0.6)
        status = await service.adopt(spec.id, spec)
        assert isinstance(status, ExitStatus)
        assert status.code == 5
        await service.discard(spec)
        assert await service.adopt(spec.id, spec) is None

    run(first)
    run(second)
    assert [row["log"] for row in bench.log(spec)] == ["end\n"]


def test_a_killed_monitor_ends_its_container_with_137(bench, run):
    async def scenario(service):
        spec = bench.spec("sleep", "60")
        task = await service.create(spec)
        pid = await task.launch()
        monitor = int(msgspec.json.decode(status_of(pid))["ppid"])
        os.kill(monitor, signal.SIGKILL)
        status = await asyncio.wait_for(task.wait(), 10)
        assert status.code == 137
        assert await service.adopt(spec.id, spec) == status
        await task.delete()
        assert not any(folder.exists() for folder in bench.layout.folders(spec.cgroup_path))

    run(scenario)


def status_of(pid: int) -> bytes:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    ppid = next(row.split()[1] for row in rows if row.startswith("PPid:"))
    return msgspec.json.encode({"ppid": int(ppid)})


def test_a_monitor_killed_while_no_daemon_ran_is_buried_at_adoption(bench, run):
    spec = bench.spec("sleep", "60")
    pids = []

    async def first(service):
        task = await service.create(spec)
        pids.append(await task.launch())
        await task.detach()
        os.kill(msgspec.json.decode(status_of(pids[0]))["ppid"], signal.SIGKILL)

    async def second(service):
        status = await service.adopt(spec.id, spec)
        assert isinstance(status, ExitStatus)
        assert status.code == 137

    run(first)
    run(second)


def test_a_killed_zygote_harms_nobody_and_is_replaced(bench, run):
    async def scenario(service):
        task = await service.create(bench.spec("sleep", "60"))
        await task.launch()
        old = service.zygote_pid
        os.kill(old, signal.SIGKILL)
        await asyncio.sleep(0.05)
        other = await service.create(bench.spec("true"))
        await other.launch()
        assert (await finish(other)).code == 0
        assert service.zygote_pid != old
        await task.kill(signal.SIGTERM)
        await task.kill(signal.SIGKILL)
        assert (await finish(task)).code == 137

    run(scenario)


def test_running_out_of_memory_is_told(bench, run):
    async def scenario(service):
        host = HostSettings(Memory=8 << 20, MemorySwap=8 << 20)
        task = await service.create(bench.spec("tail", "/dev/zero", host=host))
        await task.launch()
        status = await finish(task)
        assert (status.code, status.oom_killed) == (137, True)

    run(scenario)


def test_default_confinement_is_dockers(bench, run):
    async def scenario(service):
        task = await service.create(
            bench.spec("grep", "-E", "CapEff|CapInh|Seccomp:", "/proc/self/status")
        )
        read = await collect(task)
        await task.launch()
        text = output(await read()).split()
        assert text == [b"CapInh:", b"0" * 16, b"CapEff:", b"00000000a80425fb", b"Seccomp:", b"2"]
        await finish(task)

    run(scenario)


def test_privileged_gets_what_the_daemon_has(bench, run):
    mine = re.search(r"CapPrm:\s*(\w+)", Path("/proc/self/status").read_text())[1]
    script = (
        "grep -E 'CapEff|Seccomp:' /proc/self/status; test -w /proc/sys/kernel/hostname; echo $?"
    )

    async def scenario(service):
        task = await service.create(
            bench.spec("sh", "-c", script, host=HostSettings(Privileged=True))
        )
        read = await collect(task)
        await task.launch()
        text = output(await read()).split()
        assert text == [b"CapEff:", mine.encode(), b"Seccomp:", b"0", b"0"]
        await finish(task)

    run(scenario)


def test_a_daemon_that_dies_before_launch_leaves_no_monitor(bench, run):
    spec = bench.spec("true")

    async def scenario(service):
        task = await service.create(spec)
        monitors = children_of(service.zygote_pid)
        assert monitors
        await task.detach()
        for _ in range(100):
            if not children_of(service.zygote_pid):
                break
            await asyncio.sleep(0.02)
        assert not children_of(service.zygote_pid)
        assert await service.adopt(spec.id, spec) is None

    run(scenario)


def test_a_monitor_runs_crun_out_of_sealed_memory(bench, run, tmp_path):
    """Whatever becomes of the file: a monitor stays with the program that it began with."""
    crun = Path(shutil.copy(shutil.which("crun"), tmp_path / "crun"))
    spec = replace(bench.spec("sleep", "60"), runtime_path=str(crun))

    async def scenario(service):
        task = await service.create(spec)
        shutil.move(crun, tmp_path / "elsewhere")
        await task.launch()
        process = {**PROCESS, "args": ["sh", "-c", "exit 4"]}
        entered = await task.exec(ExecSpec(id="e", process=process))
        assert await entered.wait() == 4
        await rest_of(entered.stream)
        await task.kill(signal.SIGKILL)
        assert (await finish(task)).code == 137

    run(scenario)
