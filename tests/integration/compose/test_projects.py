"""Projects on a real engine: converging, taking over, staying, and what is left after failures."""

import json
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from .conftest import REAL, ComposeProject

Lines = Callable[["subprocess.Popen[str]", str], list[str]]

needs_real = pytest.mark.skipif(not REAL.exists(), reason="no docker-compose: scripts/setup")

HEALTHY = """
services:
  db:
    image: busybox
    command: sh -c "touch /ready; sleep 300"
    healthcheck: {test: test -f /ready, interval: 200ms, retries: 50}
    stop_grace_period: 0s
  app:
    image: busybox
    command: sh -c "echo $$FROM_ENV $$(cat /run/secrets/word); sleep 300"
    environment: [FROM_ENV]
    secrets: [{source: word, mode: 0400}]
    depends_on: {db: {condition: service_healthy}}
    volumes: [/anonymous]
    stop_grace_period: 0s
secrets: {word: {environment: WORD}}
"""
VARIABLES = {"FROM_ENV": "seen", "WORD": "hush"}


def test_up_orders_by_health_injects_secrets_and_is_idempotent(
    project: ComposeProject, lines: Lines
) -> None:
    project.write(HEALTHY)
    foreseen = project.run("--dry-run", "up", "-d", status=2, **VARIABLES)
    assert "create   container proj-app-1: it doesn't exist" in foreseen.stdout
    assert project.ids() == []
    said = project.run("up", "-d", "--wait", **VARIABLES).stderr
    assert said.index("proj-db-1  Healthy") < said.index("proj-app-1  Starting")
    following = project.spawn("logs", "-f", "app")
    lines(following, "app-1  | seen hush")
    before = project.ids()
    assert "Container proj-app-1  Running" in project.run("up", "-d", **VARIABLES).stderr
    assert project.run("--dry-run", "up", "-d", **VARIABLES).returncode == 0
    assert project.ids() == before
    rows = map(json.loads, project.run("ps", "--format", "json", **VARIABLES).stdout.splitlines())
    assert {(row["Service"], row["State"], row["Health"]) for row in rows} == {
        ("app", "running", ""),
        ("db", "running", "healthy"),
    }
    said = project.run("down", **VARIABLES).stderr
    assert said.index("proj-app-1  Stopped") < said.index("proj-db-1  Stopping")


@needs_real
def test_either_tool_takes_over_what_the_other_made(project: ComposeProject) -> None:
    project.write(
        HEALTHY
        + """
volumes: {named: {labels: {l: v}}}
networks: {back: {internal: true}}
"""
    )
    text = (project.folder / "compose.yaml").read_text()
    side = """
  side:
    image: busybox
    command: sleep 300
    network_mode: service:db
    volumes_from: ["db:ro"]
    volumes: ["named:/n"]
    stop_grace_period: 0s
secrets:"""
    project.write(text.replace("\nsecrets:", side).replace("environment: [FROM_ENV]", ""))
    project.environment.update(VARIABLES)
    project.real("up", "-d")
    made = project.ids()
    assert "Creat" not in project.run("up", "-d").stderr
    assert project.ids() == made
    project.run("up", "-d", "--force-recreate")
    ours = project.ids()
    assert set(ours).isdisjoint(made)
    assert "Creat" not in project.real("up", "-d").stderr
    assert project.ids() == ours
    project.real("down")


def test_recreation_keeps_anonymous_volumes_unless_they_are_renewed(
    project: ComposeProject,
) -> None:
    plain = "{image: busybox, command: sleep 300, volumes: [/data], stop_grace_period: 0s%s}"
    project.write("services:\n  one: " + plain % "")
    project.run("up", "-d")
    project.run("exec", "-T", "one", "touch", "/data/kept")
    first = project.ids()
    project.write("services:\n  one: " + plain % ", hostname: other")
    assert "proj-one-1  Recreated" in project.run("up", "-d").stderr
    assert project.ids() != first
    assert project.run("exec", "-T", "one", "ls", "/data").stdout == "kept\n"
    project.run("up", "-d", "--force-recreate", "-V")
    assert project.run("exec", "-T", "one", "ls", "/data").stdout == ""


def test_a_replacement_that_can_not_be_created_leaves_the_old_one_running(
    project: ComposeProject,
) -> None:
    project.write("services: {one: {image: busybox, command: sleep 300, stop_grace_period: 0s}}")
    project.run("up", "-d")
    before = project.ids()
    project.write(
        "services: {one: {image: busybox, command: sleep 300, stop_grace_period: 0s, "
        "mac_address: nonsense}}"
    )
    project.run("up", "-d", status=1)
    assert project.ids() == before
    assert project.inspect("proj-one-1")["State"]["Running"]


def test_scaling_and_orphans(project: ComposeProject) -> None:
    one = "  one: {image: busybox, command: sleep 300, stop_grace_period: 0s}\n"
    two = "  two: {image: busybox, command: sleep 300, stop_grace_period: 0s}\n"
    project.write(f"services:\n{one}{two}")
    project.run("up", "-d", "--scale", "one=3")
    assert len(project.ids()) == 4
    project.write(f"services:\n{one}")
    said = project.run("up", "-d").stderr
    assert "Found orphan containers ([proj-two-1])" in said
    project.run("up", "-d", "--remove-orphans")
    assert project.run("ps", "--format", "{{.Name}}").stdout == "proj-one-1\n"


def test_a_failed_dependency_fails_the_up(project: ComposeProject) -> None:
    project.write(
        """
services:
  bad: {image: busybox, command: sh -c 'exit 4'}
  app:
    image: busybox
    depends_on: {bad: {condition: service_completed_successfully}}
  lax:
    image: busybox
    command: sleep 300
    stop_grace_period: 0s
    depends_on: {bad: {condition: service_completed_successfully, required: false}}
"""
    )
    said = project.run("up", "-d", "app", status=1).stderr
    assert 'service "bad" didn\'t complete successfully: exit 4' in said
    assert "optional dependency" in project.run("up", "-d", "lax").stderr


def test_waiting_sees_what_fails_at_once(project: ComposeProject) -> None:
    project.write("services: {one: {image: busybox, command: sh -c 'exit 4'}}")
    assert "proj-one-1 exited (4)" in project.run("up", "--wait", status=1).stderr


def test_down_leaves_services_whose_profile_is_off(project: ComposeProject) -> None:
    project.write(
        "services:\n"
        "  one: {image: busybox, command: sleep 300, stop_grace_period: 0s}\n"
        "  two: {image: busybox, command: sleep 300, stop_grace_period: 0s, profiles: [more]}\n"
    )
    project.run("--profile", "more", "up", "-d")
    assert "Network proj_default  Resource is still in use" in project.run("down").stderr
    assert project.run("ps", "--services").stdout == "two\n"
    project.run("--profile", "more", "down")


def test_the_foreground_ends_with_the_status_of_the_service_named(project: ComposeProject) -> None:
    project.write(
        """
services:
  t: {image: busybox, command: sh -c "echo testing; exit 9"}
  other: {image: busybox, command: sleep 300, stop_grace_period: 0s}
"""
    )
    done = project.run("up", "--exit-code-from", "t", status=9)
    assert "t-1      | testing" in done.stdout
    assert "t-1 exited with code 9" in done.stdout
    assert not project.inspect("proj-other-1")["State"]["Running"]


def test_an_interrupt_stops_the_project(project: ComposeProject, lines: Lines) -> None:
    project.write(
        "services: {one: {image: busybox, command: sh -c 'echo up; sleep 300', "
        "stop_grace_period: 0s}}"
    )
    process = project.spawn("up")
    lines(process, "one-1  | up")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert "Gracefully Stopping" in rest
    assert process.returncode == 130
    assert not project.inspect("proj-one-1")["State"]["Running"]


def test_logs_are_followed_over_a_restart(project: ComposeProject, lines: Lines) -> None:
    project.write(
        "services: {one: {image: busybox, command: sh -c 'echo round; sleep 300', "
        "stop_grace_period: 0s}}"
    )
    project.run("up", "-d")
    process = project.spawn("logs", "-f", "--no-log-prefix")
    lines(process, "round")
    project.run("restart", "-t", "0")
    lines(process, "round")
    project.run("kill")
    rest, _ = process.communicate(timeout=30)
    assert "round" not in rest
    assert process.returncode == 0


def test_run_starts_dependencies_and_returns_the_status(project: ComposeProject) -> None:
    project.write(
        """
services:
  db: {image: busybox, command: sleep 300, stop_grace_period: 0s}
  job: {image: busybox, command: "false", depends_on: [db], ports: ["1"], restart: always}
"""
    )
    script = "echo $A; nslookup db 127.0.0.11 > /dev/null || exit 1; exit 5"
    done = project.run("run", "--rm", "-e", "A=b", "job", "sh", "-c", script, status=5)
    assert done.stdout == "b\n"
    assert project.run("ps", "-a", "--format", "{{.Service}}").stdout == "db\n"


def test_hooks_run_after_the_start_and_before_the_stop(project: ComposeProject) -> None:
    project.write(
        """
services:
  one:
    image: busybox
    command: sleep 300
    stop_grace_period: 0s
    volumes: ["./out:/out"]
    post_start: [{command: sh -c "echo started >> /out/log"}]
    pre_stop: [{command: sh -c "echo stopping >> /out/log"}]
"""
    )
    project.run("up", "-d")
    project.run("stop")
    assert (project.folder / "out" / "log").read_text() == "started\nstopping\n"


def test_build_names_labels_and_runs_the_image(project: ComposeProject) -> None:
    project.write("FROM busybox\nARG WHO\nENV W=$WHO\nCMD echo built for $W\n", "app/Dockerfile")
    project.write("services: {app: {build: {context: app, args: {WHO: me}}}}")
    done = project.run("up", "--abort-on-container-exit")
    assert "app-1  | built for me" in done.stdout
    labels = project.inspect("proj-app")["Config"]["Labels"]
    assert labels["com.docker.compose.service"] == "app"
    assert "Image proj-app  Removed" in project.run("down", "--rmi", "local").stderr


def test_watch_copies_changed_files(project: ComposeProject, lines: Lines) -> None:
    project.write("one", "src/a.txt")
    project.write(
        """
services:
  app:
    image: busybox
    command: sleep 300
    stop_grace_period: 0s
    develop: {watch: [{path: ./src, action: sync, target: /app, initial_sync: true}]}
"""
    )
    process = project.spawn("watch")
    try:
        lines(process, "Watch enabled")
        project.write("two", "src/sub/b.txt")
        lines(process, "Syncing")
        (project.folder / "src" / "a.txt").unlink()
        lines(process, "Syncing")
        deadline = time.monotonic() + 10
        while (found := _files(project)) != "/app/sub/b.txt\n" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found == "/app/sub/b.txt\n"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def _files(project: ComposeProject) -> str:
    return project.run("exec", "-T", "app", "find", "/app", "-type", "f").stdout
