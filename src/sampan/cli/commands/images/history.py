"""`history`: how an image came to be."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.images.tags import path
from sampan.cli.flags import Flag
from sampan.cli.human import age, short_id, shorten, size3
from sampan.cli.output import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

TYPE_NAME = "*image.historyContext"
COMMAND_WIDTH = 45
FIELDS = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")


def _created_at(step: dict[str, Any]) -> str:
    import time

    if step["Created"] <= 0:
        return "N/A"
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(step["Created"]))
    return (
        text.removesuffix("+0000") + "Z" if text.endswith("+0000") else f"{text[:-2]}:{text[-2:]}"
    )


def _created_by(step: dict[str, Any], *, full: bool) -> str:
    text = str(step["CreatedBy"]).replace("\t", " ")
    return text if full else shorten(text, COMMAND_WIDTH)


def listing(*, full: bool, human: bool) -> Listing:
    columns: dict[str, Any] = {
        "ID": ("IMAGE", lambda step: step["Id"] if full else short_id(step["Id"])),
        "CreatedAt": ("CREATED AT", _created_at),
        "CreatedSince": (
            "CREATED" if human else "CREATED AT",
            lambda step: (
                (age(step["Created"]) if step["Created"] > 0 else "N/A")
                if human
                else _created_at(step)
            ),
        ),
        "CreatedBy": ("CREATED BY", lambda step: _created_by(step, full=full)),
        "Size": ("SIZE", lambda step: size3(step["Size"]) if human else str(step["Size"])),
        "Comment": ("COMMENT", lambda step: step["Comment"]),
    }
    return Listing(TYPE_NAME, columns, FIELDS)


def run(context: Context, flags: Flags, names: list[str]) -> int:
    query = []
    if platform := flags.text("platform"):
        query.append(("platform", platform))
    steps = context.client.get(path(names[0], "/history"), query)
    full = flags.on("no-trunc")
    if flags.on("quiet") and flags.text("format") in {"", "table"}:
        for step in steps:
            context.out((step["Id"] if full else short_id(step["Id"])) + "\n")
        return 0
    context.out(listing(full=full, human=flags.on("human")).text(steps, flags.text("format")))
    return 0


HISTORY = Command(
    run,
    "[OPTIONS] IMAGE",
    flags=(
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("human", "H", "bool", "Print sizes and dates in human readable format", default=True),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("platform", "", "string", "Show the history of this platform", hidden=True),
        Flag("quiet", "q", "bool", "Only show image IDs"),
    ),
    least=1,
    most=1,
)
