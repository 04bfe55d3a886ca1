"""`stack config`: the final file, after merging and interpolation."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.stacks.files import FILES, load_stack, options_of
from sampan.cli.flags import Flag
from sampan.compose.encode import to_yaml
from sampan.compose.load import load_tree
from sampan.compose.render import project_yaml
from sampan.lib.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

NAME = "stack"  # a file of a stack has no name of its own


def run(context: Context, flags: Flags, _words: list[str]) -> int:
    if flags.on("skip-interpolation"):
        options = replace(options_of(context, flags, NAME), interpolate=False, normalise=False)
        context.out(to_yaml(load_tree(options).tree))
        return 0
    found = project_yaml(load_stack(context, flags, NAME))
    found.pop("name", None)
    context.out(to_yaml(found))
    return 0


CONFIG = Command(
    run,
    "[OPTIONS]",
    flags=(
        FILES,
        Flag("skip-interpolation", "", "bool", "Skip interpolation and output only merged config"),
    ),
)
