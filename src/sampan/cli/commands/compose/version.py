"""`version`: of the Docker Compose whose behaviour this is."""

from __future__ import annotations

from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.labels import COMPOSE_VERSION
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags


def run(context: ComposeContext, flags: Flags, _words: list[str]) -> int:
    if flags.on("short"):
        context.say(COMPOSE_VERSION)
    elif flags.text("format") == "json":
        context.say(encode({"version": f"v{COMPOSE_VERSION}"}))
    else:
        context.say(f"Docker Compose version v{COMPOSE_VERSION}")
    return 0


VERSION = Verb(
    run,
    "[OPTIONS]",
    "Show the Docker Compose version information",
    flags=(
        Flag("format", "f", "string", "Format the output: pretty or json", default="pretty"),
        Flag("short", "", "bool", "Shows only Compose's version number"),
    ),
)
