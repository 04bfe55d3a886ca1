"""Signals passed on: ours to the container's process, our window's size to its terminal."""

from __future__ import annotations

import contextlib
import signal
import time

from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from sampan.client.api import Client

# Not passed on: the kernel's own notices to us, and those that can't be caught.
KEPT = frozenset(
    {
        signal.SIGCHLD,
        signal.SIGPIPE,
        signal.SIGURG,
        signal.SIGWINCH,
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGCONT,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
    }
)
RESIZE_TRIES = 10
RESIZE_PAUSE_S = 0.01


def forward_to(client: Client, container: str) -> None:
    """From now on our signals go to the container. Failures are silent: it may have ended."""

    def handle(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name.removeprefix("SIG")
        with contextlib.suppress(SampanError):
            client.post(f"/containers/{container}/kill", [("signal", name)])

    for number in signal.valid_signals():
        if number in KEPT or number >= signal.SIGRTMIN:
            continue
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, handle)


def _resize(client: Client, path: str, *, more: int = 0) -> bool:
    from sampan.cli.terminal import size

    rows, columns = size(1)
    if not rows and not columns:
        return True
    try:
        client.post(path, [("h", str(rows + more)), ("w", str(columns + more))])
    except SampanError:
        return False
    return True


def follow_window(client: Client, path: str, *, redraw: bool = False) -> None:
    """Sets the terminal behind `path` (".../resize") to our size, now and on each change.

    `redraw` sets another size first: programs draw their screen again when the size changes.

    A process that has only just been started may not have its terminal yet: tried again shortly.
    """
    if redraw:
        _resize(client, path, more=1)
    for attempt in range(RESIZE_TRIES):
        if _resize(client, path):
            break
        time.sleep(RESIZE_PAUSE_S * (attempt + 1))
    signal.signal(signal.SIGWINCH, lambda _number, _frame: _resize(client, path) and None)
