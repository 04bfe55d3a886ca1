"""Undo that survives cancellation: shielded, capped in time, logged; and its blocking twin."""

import logging
from collections.abc import Awaitable, Callable

import anyio

LIMIT_S = 10.0

log = logging.getLogger(__name__)


async def shielded(action: Callable[[], Awaitable[object]], *, what: str) -> None:
    """Await `action()` even if the caller is being cancelled; at most 10 s; failures are logged."""
    with anyio.move_on_after(LIMIT_S, shield=True) as scope:
        try:
            await action()
        except Exception:
            log.exception("cleanup failed what=%s", what)
    if scope.cancelled_caught:
        log.error("cleanup timed out what=%s limit_s=%s", what, LIMIT_S)


def attempted(action: Callable[..., object], *args: object, what: str) -> None:
    """Call `action`; a failure is logged and keeps no other undo from being done."""
    try:
        action(*args)
    except Exception:
        log.exception("cleanup failed what=%s", what)
