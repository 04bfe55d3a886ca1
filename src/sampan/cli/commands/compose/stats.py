"""`stats`: how much of the machine a project's containers use."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.commands.containers.stats import STATS as CONTAINER_STATS
from sampan.cli.commands.containers.stats import listing
from sampan.cli.flags import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    containers = containers_of(context, names, all_states=flags.on("all"))
    if not containers:
        if names:
            raise Exit(1, f'no containers for service "{names[0]}"')
        context.cli.out(listing(full=False).text([], flags.text("format")))
        return 0
    words = [f"--{name}" for name in ("no-stream", "no-trunc") if flags.on(name)]
    words += ["--format", flags.text("format")] if flags.text("format") else []
    given, _ = parse(CONTAINER_STATS.flags, words)
    return CONTAINER_STATS.run(context.cli, given, [container.id for container in containers])


STATS = Verb(
    run,
    "[OPTIONS] [SERVICE]",
    "Display a live stream of container(s) resource usage statistics",
    flags=CONTAINER_STATS.flags,
)
