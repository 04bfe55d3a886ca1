"""`logs`: what a container has written, and with -f what it writes."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.flags import Flag
from sampan.cli.streams import copy_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(context: Context, flags: Flags, names: list[str]) -> int:
    from sampan.cli.commands.system.events import moment_text

    inspected = context.client.get(path(names[0], "/json"))
    query = [(name, "1") for name in ("details", "follow", "timestamps") if flags.on(name)]
    query += [("stderr", "1"), ("stdout", "1"), ("tail", flags.text("tail"))]
    query += [
        (name, moment_text(flags.text(name))) for name in ("since", "until") if flags.text(name)
    ]
    response = context.client.call("GET", path(inspected["Id"], "/logs"), query=query)
    copy_output(response.chunks(), framed=not inspected["Config"]["Tty"])
    return 0


LOGS = Command(
    run,
    "[OPTIONS] CONTAINER",
    flags=(
        Flag("details", "", "bool", "Show extra details provided to logs"),
        Flag("follow", "f", "bool", "Follow log output"),
        Flag("since", "", "string", "Show logs since a timestamp or a duration ago (42m)"),
        Flag(
            "tail",
            "n",
            "string",
            "Number of lines to show from the end of the logs",
            default="all",
        ),
        Flag("timestamps", "t", "bool", "Show timestamps"),
        Flag("until", "", "string", "Show logs before a timestamp or a duration ago (42m)"),
    ),
    least=1,
    most=1,
)
