"""`create`: a container that isn't started."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.creating import body_of, create
from sampan.cli.flags import Flag
from sampan.cli.runflags.table import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(context: Context, flags: Flags, words: list[str]) -> int:
    body = body_of(context, flags, words)
    context.say(create(context, flags, body, words[0]))
    return 0


CREATE = Command(
    run,
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=(*SHARED, Flag("help", "", "bool", "Print usage")),
    least=1,
    most=None,
    interspersed=False,
)
