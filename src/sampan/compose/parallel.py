"""Work side by side on threads: requests wait for the engine, not for us.

`gather` runs calls that don't know of each other. `run_steps` runs a graph: a step begins when
those it comes after have ended. After the first failure nothing new begins, what runs is waited
for, and the failure is raised.
"""

from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from sampan.lib.records import Record

T = TypeVar("T")
UNLIMITED = 0


class Step(Record, frozen=True):
    """`after` are names of steps; names that aren't there are as good as done."""

    name: str
    run: Callable[[], object]
    after: frozenset[str] = frozenset()


def gather(calls: Sequence[Callable[[], T]], limit: int = UNLIMITED) -> list[T]:
    """The results, in the order of the calls. Raises the first failure."""
    if len(calls) == 1:
        return [calls[0]()]
    results: dict[int, T] = {}

    def storing(index: int, call: Callable[[], T]) -> Callable[[], None]:
        def run() -> None:
            results[index] = call()

        return run

    run_steps([Step(str(i), storing(i, call)) for i, call in enumerate(calls)], limit)
    return [results[index] for index in range(len(calls))]


def run_steps(steps: Sequence[Step], limit: int = UNLIMITED) -> None:
    """Runs all, at most `limit` at once. Raises the first failure; KeyboardInterrupt at once."""
    waiting = {step.name: step for step in steps}
    unmet = {step.name: set(step.after) & waiting.keys() for step in steps}
    ended: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
    running = 0
    failure: BaseException | None = None
    while waiting or running:
        if failure is None:
            for name in _ready(waiting, unmet, limit - running if limit > 0 else len(waiting)):
                step = waiting.pop(name)
                Thread(target=_attempt, args=(step, ended), daemon=True).start()
                running += 1
        if not running:
            break
        name, error = ended.get()
        running -= 1
        failure = failure or error
        for names in unmet.values():
            names.discard(name)
    if failure is not None:
        raise failure
    assert not waiting, f"steps that wait for each other: {sorted(waiting)}"


def _ready(waiting: Mapping[str, Step], unmet: Mapping[str, set[str]], room: int) -> list[str]:
    return [name for name in waiting if not unmet[name]][: max(room, 0)]


def _attempt(step: Step, ended: "SimpleQueue[tuple[str, BaseException | None]]") -> None:
    error: BaseException | None = None
    try:
        step.run()
    except BaseException as failure:  # noqa: BLE001 - handed over to the thread that waits
        error = failure
    ended.put((step.name, error))
