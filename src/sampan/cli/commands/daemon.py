"""`daemon`: runs the engine in this process; its own flags are the daemon's business."""

from __future__ import annotations

from sampan.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(_context: Context, _flags: Flags, words: list[str]) -> int:
    from sampan.daemon.main import entry

    return int(entry(words) or 0)


DAEMON = Command(run, "[OPTIONS]", most=None, raw=True)
