"""`scale`: how many containers services have."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.converging import (
    convergence,
    counts,
    show_foreseen,
    wanted,
    warn_of,
)
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.ordering import scaled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags


def run(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    try:
        numbers = counts(words)
    except Exit as error:
        wrong = next(word for word in words if not word.partition("=")[2].isdecimal())
        raise Exit(1, f"invalid scale specifier: {wrong}") from error
    names = list(numbers)
    project = context.project(names, needed=not flags.on("no-deps"))
    project = scaled(project, numbers)
    choices = wanted(context, flags, names)
    if context.dry_run:
        with context.display() as display:
            return show_foreseen(context, convergence(context, project, display, choices))
    with context.display("Scaling") as display:
        converging = convergence(context, project, display, choices)
        observed, plan = converging.plan()
        warn_of(context, plan)
        converging.applying(observed).run(plan)
    return 0


SCALE = Verb(
    run,
    "[SERVICE=REPLICAS...]",
    "Scale services",
    flags=(Flag("no-deps", "", "bool", "Don't start linked services"),),
    least=1,
)
