"""Start, stop, exec, logs, events: the life of a container through both clients."""

import json
import re
import threading
import time

import pytest

pytestmark = pytest.mark.integration


def test_create_start_attach_passes_stdin_and_status(cli):
    cli("create", "--name", "c1", "-i", "busybox", "sh", "-c", "read x; echo got $x; exit 3")
    assert json.loads(cli("inspect", "c1").stdout)[0]["State"]["Status"] == "created"
    done = cli("start", "-a", "-i", "c1", stdin="hey\n", check=False)
    assert (done.returncode, done.stdout) == (3, "got hey\n")


def test_start_again_appends_to_the_log(cli):
    cli("run", "--name", "c1", "busybox", "echo", "again")
    assert cli("start", "-a", "c1").stdout == "again\n"
    assert cli("logs", "c1").stdout == "again\nagain\n"


def test_stop_sends_term_and_kill_after_the_grace(cli):
    script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    cli("run", "-d", "--name", "polite", "busybox", "sh", "-c", script)
    _wait_for_log(cli, "polite", "ready")
    assert cli("stop", "-t", "5", "polite").stdout == "polite\n"
    assert cli("logs", "polite").stdout == "ready\nbye\n"
    cli("run", "-d", "--name", "deaf", "busybox", "sleep", "100")
    cli("stop", "-t", "1", "deaf")
    assert json.loads(cli("inspect", "deaf").stdout)[0]["State"]["ExitCode"] == 137


def test_restart_runs_it_again(cli):
    cli("run", "-d", "--name", "c1", "busybox", "sh", "-c", "echo up; sleep 100")
    _wait_for_log(cli, "c1", "up\n")
    cli("restart", "-t", "0", "c1")
    _wait_for_log(cli, "c1", "up\nup\n")


def test_rm_refuses_running_containers_unless_forced(cli):
    cli("run", "-d", "--name", "c1", "busybox", "sleep", "60")
    done = cli("rm", "c1", check=False)
    assert done.returncode == 1
    assert re.search("cannot remove.*container", done.stderr)
    assert cli("rm", "-f", "c1").stdout == "c1\n"
    assert "No such container: c1" in cli("rm", "c1", check=False).stderr


def test_exec_has_streams_status_environment_and_user(cli):
    cli("run", "-d", "--name", "c1", "-e", "A=1", "busybox", "sleep", "60")
    done = cli("exec", "c1", "sh", "-c", "echo o$A; echo e >&2; exit 17", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (17, "o1\n", "e\n")
    out = cli(
        "exec", "-e", "X=y", "-w", "/tmp", "-u", "1000", "c1", "sh", "-c", "echo $X; pwd; id -u"
    )
    assert out.stdout == "y\n/tmp\n1000\n"
    assert cli("exec", "-i", "c1", "cat", stdin="piped\n").stdout == "piped\n"
    assert "/dev/pts/" in cli("exec", "-t", "c1", "tty").stdout
    missing = cli("exec", "c1", "nosuchcmd", check=False)
    assert missing.returncode >= 126
    assert "executable file not found" in missing.stdout + missing.stderr
    cli("exec", "-d", "c1", "sh", "-c", "echo z > /tmp/flag")
    _eventually(lambda: cli("exec", "c1", "cat", "/tmp/flag", check=False).stdout == "z\n")


def test_logs_take_tail_since_timestamps_and_follow(cli):
    script = "for i in 1 2 3; do echo tick $i; sleep 0.2; done"
    cli("run", "-d", "--name", "c1", "busybox", "sh", "-c", script)
    assert cli("logs", "-f", "c1").stdout == "tick 1\ntick 2\ntick 3\n"
    assert cli("logs", "--tail", "1", "c1").stdout == "tick 3\n"
    assert re.fullmatch(r"\d{4}-\S+Z tick 3\n", cli("logs", "-t", "--tail", "1", "c1").stdout)
    assert cli("logs", "--since", "2099-01-01T00:00:00Z", "c1").stdout == ""


def test_two_attached_clients_see_the_same(cli):
    cli(
        "run", "-d", "--name", "c1", "busybox", "sh", "-c", "sleep 1; echo one; sleep 0.2; echo two"
    )
    outputs: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: outputs.append(cli("attach", "--no-stdin", "c1", check=False).stdout)
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["one\ntwo\n"] * 2


def test_events_tell_the_story_in_order(cli):
    since = f"{time.time():.6f}"
    cli("run", "--name", "story", "busybox", "true")
    cli("rm", "story")
    until = f"{time.time():.6f}"
    out = cli(
        *("events", "--since", since, "--until", until, "--filter", "container=story"),
        *("--format", "{{.Action}}"),
    ).stdout
    assert out.split() == ["create", "attach", "start", "die", "destroy"]


def test_ps_filters_and_table(cli):
    cli("run", "-d", "--name", "one", "--label", "k=v", "busybox", "sleep", "60")
    cli("run", "--name", "two", "busybox", "sh", "-c", "exit 3", check=False)
    assert cli("ps", "-a", "--filter", "exited=3", "--format", "{{.Names}}").stdout == "two\n"
    assert cli("ps", "--filter", "label=k=v", "--format", "{{.Names}}").stdout == "one\n"
    assert "invalid filter" in cli("ps", "--filter", "nosuch=1", check=False).stderr.lower()
    table = cli("ps").stdout.splitlines()
    assert re.match(r"CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$", table[0])
    assert re.match(r'[0-9a-f]{12} +busybox +"sleep 60" .* ago +Up .* +one$', table[1])


def test_auto_removed_containers_are_gone(cli):
    cli("run", "-d", "--rm", "--name", "brief", "busybox", "sh", "-c", "sleep 0.5; exit 6")
    assert cli("wait", "brief").stdout == "6\n"
    _eventually(lambda: cli("ps", "-aq").stdout == "")


def _wait_for_log(cli, name: str, text: str) -> None:
    _eventually(lambda: text in cli("logs", name).stdout)


def _eventually(condition, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("options", "volatile"), [(("--rm",), True), ((), False)])
def test_only_the_root_of_an_auto_removed_container_is_volatile(cli, options, volatile):
    """It may be mounted again while the container is there; `commit` sees what was written."""
    script = "echo x >>/log; fsync /log; grep ' / overlay' /proc/mounts; wc -l /log; sleep 100"
    cli("run", "-d", *options, "--name", "c1", "busybox", "sh", "-c", script)
    _wait_for_log(cli, "c1", "1 /log")
    assert ("volatile" in cli("logs", "c1").stdout) is volatile
    cli("restart", "-t", "0", "c1")
    _wait_for_log(cli, "c1", "2 /log")
    cli("commit", "c1", "kept")
    assert cli("run", "--rm", "kept", "cat", "/log").stdout == "x\nx\n"
