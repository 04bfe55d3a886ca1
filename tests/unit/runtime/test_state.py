import pytest

from sampan.errors import Conflict
from sampan.runtime.state import MOVES, ContainerState, Move, can, derive, next_state


def test_every_state_but_created_can_be_reached():
    assert {*MOVES.values(), ContainerState.CREATED} == set(ContainerState)


def test_an_illegal_move_names_both_states():
    with pytest.raises(Conflict, match="cannot pause container x: it is created, not running"):
        next_state("x", ContainerState.CREATED, Move.PAUSE)
    assert not can(ContainerState.RUNNING, Move.REMOVE)
    assert next_state("x", ContainerState.RUNNING, Move.PAUSE) is ContainerState.PAUSED


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ContainerState.CREATED),
        ({"pid": 1, "started_ns": 1}, ContainerState.RUNNING),
        ({"pid": 1, "started_ns": 1, "paused": True}, ContainerState.PAUSED),
        ({"started_ns": 1}, ContainerState.EXITED),
        ({"started_ns": 1, "restarting": True}, ContainerState.RESTARTING),
        ({"removing": True}, ContainerState.REMOVING),
        ({"removing": True, "dead": True}, ContainerState.DEAD),
    ],
)
def test_the_state_follows_from_facts(facts, expected):
    none = {"pid": 0, "started_ns": 0, "paused": False, "restarting": False}
    assert derive(**{**none, "removing": False, "dead": False, **facts}) is expected
