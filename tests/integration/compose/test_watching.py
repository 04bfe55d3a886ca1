"""`watch` and `up --watch`: every action, on files that change."""

import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from .conftest import ComposeProject

Lines = Callable[["subprocess.Popen[str]", str], list[str]]

BUILT = """
services:
  app:
    build: {context: ., dockerfile_inline: "FROM busybox\\nCOPY src /app\\n"}
    command: sleep 300
    stop_grace_period: 0s
    develop: {watch: [{path: ./src, action: rebuild}]}
"""
ACTING = """
services:
  app:
    image: busybox
    command: sh -c "echo begun; sleep 300"
    stop_grace_period: 0s
    develop: {watch: [{path: ./src, action: %s, target: /app, exec: {command: cp /app/a /b}}]}
"""


def interrupt(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    return rest


def container(project: ComposeProject) -> str:
    return project.run("ps", "-q", "app").stdout.strip()


def dangling(project: ComposeProject) -> list[str]:
    label = "label=com.docker.compose.project=proj"
    words = ("images", "-q", "--filter", "dangling=true", "--filter", label)
    return project.engine.docker(*words).stdout.split()


@pytest.mark.parametrize("prune", [True, False])
def test_rebuild_makes_image_and_container_new(
    project: ComposeProject, lines: Lines, prune: bool
) -> None:
    project.write("one", "src/a")
    project.write(BUILT)
    process = project.spawn("watch", f"--prune={str(prune).lower()}")
    lines(process, "Watch enabled")
    before = container(project)
    project.write("two", "src/a")
    lines(process, "successfully built")
    interrupt(process)
    assert container(project) != before
    assert project.run("exec", "-T", "app", "cat", "/app/a").stdout == "two"
    assert bool(dangling(project)) is not prune
    project.run("down", "--rmi", "local")
    project.engine.docker("image", "prune", "-f")


def test_sync_and_exec_runs_the_command_there(project: ComposeProject, lines: Lines) -> None:
    project.write("one", "src/a")
    project.write(ACTING % "sync+exec")
    process = project.spawn("watch")
    lines(process, "Watch enabled")
    project.write("two", "src/a")
    lines(process, "Syncing")
    deadline = time.monotonic() + 10
    found = ""
    while found != "two" and time.monotonic() < deadline:
        time.sleep(0.1)
        found = project.run("exec", "-T", "app", "sh", "-c", "cat /b || true").stdout
    interrupt(process)
    assert found == "two"


def test_sync_and_restart_restarts_the_container(project: ComposeProject, lines: Lines) -> None:
    project.write("one", "src/a")
    project.write(ACTING % "sync+restart")
    process = project.spawn("watch")
    lines(process, "Watch enabled")
    before = project.inspect("proj-app-1")["State"]["StartedAt"]
    project.write("two", "src/a")
    lines(process, "restarted")
    interrupt(process)
    assert project.inspect("proj-app-1")["State"]["StartedAt"] > before
    assert project.run("exec", "-T", "app", "cat", "/app/a").stdout == "two"


def test_up_watches_beside_the_logs(project: ComposeProject, lines: Lines) -> None:
    project.write("one", "src/a")
    project.write(ACTING % "sync+restart")
    process = project.spawn("up", "--watch")
    seen = lines(process, "begun")
    if not any("Watch enabled" in line for line in seen):
        lines(process, "Watch enabled")
    project.write("two", "src/a")
    lines(process, "begun")  # again, after the restart
    assert "Gracefully Stopping" in interrupt(process)
    assert process.returncode == 130
