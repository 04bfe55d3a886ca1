import pytest

from sampan.engine.containers.record import Health, State
from sampan.engine.containers.views import command_text, status_text
from sampan.lib.gotime import NANOS

NOW = 1_000_000 * NANOS
STARTED = NOW - 180 * NANOS
FINISHED = NOW - 7200 * NANOS


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(), "Created"),
        (State(pid=1, started_ns=STARTED), "Up 3 minutes"),
        (State(pid=1, started_ns=STARTED, paused=True), "Up 3 minutes (Paused)"),
        (State(pid=1, started_ns=STARTED, health=Health("healthy")), "Up 3 minutes (healthy)"),
        (State(pid=1, started_ns=STARTED, health=Health()), "Up 3 minutes (health: starting)"),
        (State(started_ns=STARTED, finished_ns=FINISHED, exit_code=3), "Exited (3) 2 hours ago"),
        (
            State(started_ns=STARTED, finished_ns=FINISHED, restarting=True, exit_code=1),
            "Restarting (1) 2 hours ago",
        ),
        (State(dead=True), "Dead"),
        (State(removing=True), "Removal In Progress"),
    ],
)
def test_status_texts_are_dockers(state, text):
    assert status_text(state, NOW) == text


def test_only_arguments_with_blanks_are_quoted():
    assert command_text(("sh", "-c", "exit 3")) == "sh -c 'exit 3'"
    assert command_text(("a b",)) == "a b"
