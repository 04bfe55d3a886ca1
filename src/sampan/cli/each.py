"""Verbs that do one thing to each of the names given.

Every name is tried; a name that worked is printed, a failure goes to standard error, and one
failure makes the exit status 1. Requests that may take seconds (stop, restart) run side by side;
what is printed keeps the order of the names.
"""

from __future__ import annotations

from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context

    Act = Callable[[str], object]
    Result = object | SampanError


def for_each(context: Context, names: Sequence[str], act: Act, *, together: bool = False) -> int:
    """Calls `act(name)`; prints the name, or what `act` returned when that is text."""
    status = 0
    outcomes = _together(names, act) if together and len(names) > 1 else map(_try(act), names)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, SampanError):
            context.err(outcome.message + "\n")
            status = 1
        else:
            context.say(outcome if isinstance(outcome, str) else name)
    return status


def _try(act: Act) -> Callable[[str], Result]:
    def attempt(name: str) -> Result:
        try:
            return act(name)
        except SampanError as error:
            return error

    return attempt


def _together(names: Sequence[str], act: Act) -> list[Result]:
    from threading import Thread

    outcomes: list[Result] = [None] * len(names)
    attempt = _try(act)

    def work(index: int) -> None:
        outcomes[index] = attempt(names[index])

    threads = [Thread(target=work, args=(index,), daemon=True) for index in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
