"""Verbs on a terminal: keys reach the program, its status comes back, so do Ctrl-C and Ctrl-P."""

from collections.abc import Callable, Iterator

import pytest

from integration.harness import SAMPAN

from .conftest import ComposeProject
from .terminals import Terminal

Open = Callable[..., Terminal]

ONE = """
services:
  one:
    image: busybox
    command: sh
    tty: true
    stdin_open: true
    stop_grace_period: 0s
"""
STUBBORN = """
services:
  one:
    image: busybox
    command: sh -c "trap '' TERM; echo up; while true; do sleep 0.1; done"
    stop_grace_period: 60s
"""


@pytest.fixture
def terminal(project: ComposeProject) -> Iterator[Open]:
    opened = []

    def start(*words: str) -> Terminal:
        argv = [str(SAMPAN), "compose", *words]
        opened.append(Terminal(argv, project.folder, {**project.environment, "TERM": "xterm"}))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_exec_has_a_terminal_and_returns_the_status(
    project: ComposeProject, terminal: Open
) -> None:
    project.write(ONE)
    project.run("up", "-d")
    shell = terminal("exec", "one", "sh")
    shell.until("# ")
    shell.type("tty; echo a''b\n")
    said = shell.until("ab")
    assert "/dev/pts/" in said
    shell.type("exit 7\n")
    assert shell.end() == 7


def test_run_has_a_terminal_and_removes_its_container(
    project: ComposeProject, terminal: Open
) -> None:
    project.write(ONE)
    shell = terminal("run", "--rm", "one")
    shell.until("# ")
    shell.type("test -t 0 && echo term''inal; exit 5\n")
    shell.until("terminal")
    assert shell.end() == 5
    assert project.run("ps", "-aq", "--all").stdout == ""


def test_attach_detaches_and_leaves_the_program_running(
    project: ComposeProject, terminal: Open
) -> None:
    project.write(ONE)
    project.run("up", "-d")
    shell = terminal("attach", "one")
    shell.type("echo he''re\n")
    shell.until("here")
    shell.type("\x10\x11")  # Ctrl-P, Ctrl-Q
    assert shell.end() == 0
    assert project.inspect("proj-one-1")["State"]["Running"]


def test_attach_ends_with_the_programs_status(project: ComposeProject, terminal: Open) -> None:
    project.write(ONE)
    project.run("up", "-d")
    shell = terminal("attach", "one")
    shell.type("exit 9\n")
    assert shell.end() == 9


def test_progress_is_drawn_in_place(project: ComposeProject, terminal: Open) -> None:
    project.write(ONE)
    up = terminal("up", "-d")
    up.until("[+] Running 2/2")
    up.until("Started")
    assert up.end() == 0


def test_a_second_interrupt_kills_what_would_not_stop(
    project: ComposeProject, terminal: Open
) -> None:
    project.write(STUBBORN)
    up = terminal("up")
    up.until("up\r\n")
    up.type("\x03")
    up.until("Gracefully Stopping")
    up.until("Stopping")
    up.type("\x03")
    up.until("Killed")
    assert up.end() == 130
    assert project.inspect("proj-one-1")["State"]["ExitCode"] == 137
