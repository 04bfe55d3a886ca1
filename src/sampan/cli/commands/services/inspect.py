"""`service inspect`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.inspect import show
from sampan.cli.commands.services.verbs import path
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(context: Context, flags: Flags, names: list[str]) -> int:
    def get(name: str) -> Any:
        return context.client.get(path(name), [("insertDefaults", "true")])

    if not flags.on("pretty"):
        return show(context, flags.text("format"), get, names)
    if flags.text("format"):
        raise Exit(1, "--format is incompatible with human friendly format")
    from sampan.cli.commands.services.pretty import pretty

    context.out("\n".join(pretty(context.client, get(name)) for name in names))
    return 0


INSPECT = Command(
    run,
    "[OPTIONS] SERVICE [SERVICE...]",
    flags=(
        Flag("format", "f", "string", "Format output: json, or a Go template"),
        Flag("pretty", "", "bool", "Print the information in a human friendly format"),
    ),
    least=1,
    most=None,
)
