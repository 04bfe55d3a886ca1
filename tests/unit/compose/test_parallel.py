"""Steps on threads: order, limit, and what a failure stops."""

from threading import Event, Lock

import pytest

from sampan.compose.parallel import Step, gather, run_steps


def test_a_step_begins_when_those_before_it_have_ended() -> None:
    done: list[str] = []
    steps = [
        Step("c", lambda: done.append("c"), frozenset({"a", "b"})),
        Step("a", lambda: done.append("a")),
        Step("b", lambda: done.append("b"), frozenset({"a", "elsewhere"})),
    ]
    run_steps(steps)
    assert done == ["a", "b", "c"]


def test_independent_steps_run_at_the_same_time() -> None:
    first, second = Event(), Event()

    def one() -> bool:
        first.set()
        return second.wait(10)

    def two() -> bool:
        second.set()
        return first.wait(10)

    assert gather([one, two]) == [True, True]


def test_the_limit_holds() -> None:
    lock, running, most = Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        Event().wait(0.01)
        with lock:
            running -= 1

    run_steps([Step(str(number), work) for number in range(6)], 2)
    assert most == 2


def test_after_a_failure_nothing_new_begins() -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("broken")

    steps = [Step("a", fail), Step("b", lambda: done.append("b"), frozenset({"a"}))]
    with pytest.raises(ValueError, match="broken"):
        run_steps(steps)
    assert done == []


def test_results_keep_the_order_of_the_calls() -> None:
    assert gather([lambda number=number: number for number in range(5)]) == [0, 1, 2, 3, 4]  # type: ignore[misc]
