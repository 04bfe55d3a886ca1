"""`daemon`: runs the engine in this process; its own flags are the daemon's business."""

from __future__ import annotations

from sampan.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(_context: Context, _flags: Flags, words: list[str]) -> int:
    # By name: the daemon is no library of the command line, only the process it turns into.
    module = __import__("sampan.daemon.main", fromlist=["entry"])
    return int(module.entry(words))


DAEMON = Command(run, "[OPTIONS]", most=None, raw=True)
