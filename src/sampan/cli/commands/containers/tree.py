"""Looking into a container: its changed files (diff), its processes (top), its tree (export)."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.flags import Flag
from sampan.cli.output import align

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

_KINDS = ("C", "A", "D")
TOP_MIN_WIDTH = 20


def diff(context: Context, _flags: Flags, names: list[str]) -> int:
    for change in context.client.get(path(names[0], "/changes")) or ():
        context.out(f"{_KINDS[change['Kind']]} {change['Path']}\n")
    return 0


def top(context: Context, _flags: Flags, words: list[str]) -> int:
    name, *options = words
    query = [("ps_args", " ".join(options))] if options else []
    listed = context.client.get(path(name, "/top"), query)
    lines = [listed["Titles"], *(listed["Processes"] or ())]
    context.out(align(lines, least=TOP_MIN_WIDTH))
    return 0


def export(context: Context, flags: Flags, names: list[str]) -> int:
    from sampan.cli.archive import save_body

    target = flags.text("output")
    if not target and sys.stdout.isatty():
        raise Exit(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect")
    save_body(context.client.call("GET", path(names[0], "/export")), target)
    return 0


DIFF = Command(diff, "CONTAINER", least=1, most=1)
TOP = Command(top, "CONTAINER [ps OPTIONS]", least=1, most=None, interspersed=False)
EXPORT = Command(
    export,
    "[OPTIONS] CONTAINER",
    flags=(Flag("output", "o", "string", "Write to a file, instead of STDOUT"),),
    least=1,
    most=1,
)
