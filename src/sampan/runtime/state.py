"""The states of a container and the legal moves between them. Pure.

    created --start--> running <--pause/unpause--> paused
       |                |  ^                         |
       |               end  '--start--.             end
       |                v             |              |
       |             exited <---------+--------------'
       |                |    end, policy: restarting --start--> running
       '----remove------+--> removing --fail--> dead --remove--> removing

The state is never stored: `derive` reads it from facts. What isn't in the table is a Conflict that
names both states, except where Docker says that nothing has to be done (NotModified).
"""

from enum import StrEnum

from sampan.errors import Conflict


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


class Move(StrEnum):
    START = "start"
    END = "end"
    END_AND_RESTART = "end and restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    STOP = "stop"
    REMOVE = "remove"
    FAIL_REMOVAL = "fail removal"


_C = ContainerState
MOVES: dict[tuple[ContainerState, Move], ContainerState] = {
    (_C.CREATED, Move.START): _C.RUNNING,
    (_C.EXITED, Move.START): _C.RUNNING,
    (_C.RESTARTING, Move.START): _C.RUNNING,
    (_C.RUNNING, Move.END): _C.EXITED,
    (_C.PAUSED, Move.END): _C.EXITED,
    (_C.RUNNING, Move.END_AND_RESTART): _C.RESTARTING,
    (_C.PAUSED, Move.END_AND_RESTART): _C.RESTARTING,
    (_C.RUNNING, Move.PAUSE): _C.PAUSED,
    (_C.PAUSED, Move.UNPAUSE): _C.RUNNING,
    (_C.RUNNING, Move.STOP): _C.EXITED,
    (_C.PAUSED, Move.STOP): _C.EXITED,
    (_C.RESTARTING, Move.STOP): _C.EXITED,
    (_C.CREATED, Move.REMOVE): _C.REMOVING,
    (_C.EXITED, Move.REMOVE): _C.REMOVING,
    (_C.DEAD, Move.REMOVE): _C.REMOVING,
    (_C.REMOVING, Move.FAIL_REMOVAL): _C.DEAD,
}


class IllegalMove(Conflict):
    def __init__(self, container: str, state: ContainerState, move: Move) -> None:
        targets = sorted({str(start) for start, step in MOVES if step is move})
        super().__init__(
            f"cannot {move} container {container}: it is {state}, not {' or '.join(targets)}"
        )


def next_state(container: str, state: ContainerState, move: Move) -> ContainerState:
    """The state after `move`. Raises IllegalMove."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise IllegalMove(container, state, move) from None


def can(state: ContainerState, move: Move) -> bool:
    return (state, move) in MOVES


def derive(
    *,
    pid: int,
    started_ns: int,
    paused: bool,
    restarting: bool,
    removing: bool,
    dead: bool,
) -> ContainerState:
    """The state that the facts amount to."""
    if dead:
        return ContainerState.DEAD
    if removing:
        return ContainerState.REMOVING
    if restarting:
        return ContainerState.RESTARTING
    if pid:
        return ContainerState.PAUSED if paused else ContainerState.RUNNING
    return ContainerState.EXITED if started_ns else ContainerState.CREATED
