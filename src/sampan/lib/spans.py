"""How long the steps of one operation take: debug lines that scripts/run-breakdown reads.

    span what=start.network begin_s=5123.004871 took_ms=3.214

`begin_s` is the monotonic clock, the same in all processes of the machine. Without debug logging
nothing is written.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.lib.log import fields

log = logging.getLogger(__name__)


@contextmanager
def span(what: str) -> Iterator[None]:
    """The time of the block, however it ends."""
    begun_s = time.perf_counter()
    try:
        yield
    finally:
        note(what, begun_s, time.perf_counter())


def note(what: str, begun_s: float, ended_s: float) -> None:
    took_ms = (ended_s - begun_s) * 1000
    if log.isEnabledFor(logging.DEBUG):
        log.debug(fields("span", what=what, begin_s=f"{begun_s:.6f}", took_ms=f"{took_ms:.3f}"))
