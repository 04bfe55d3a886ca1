"""`cp`: files between a service's containers and here."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.commands.containers.cp import CP as CONTAINER_CP
from sampan.cli.copying import split_spec
from sampan.cli.flags import Flag
from sampan.compose.progress import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.observe import ObservedContainer


def _containers(
    context: ComposeContext, service: str, flags: Flags, *, several: bool
) -> list[ObservedContainer]:
    """Copying into a service reaches all its containers unless one is chosen."""
    found = containers_of(context, [service], oneoff=flags.on("all"))
    if index := flags.number("index"):
        found = [container for container in found if container.number == index]
    if not found:
        raise Exit(1, f'no container found for service "{service}"')
    return found if several else found[:1]


def run(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    source, target = words
    from_service, from_path = split_spec(source)
    to_service, to_path = split_spec(target)
    if from_service and to_service:
        raise Exit(1, "copying between services is not supported")
    if not (from_service or to_service):
        raise Exit(1, "unknown copy direction")
    several = bool(to_service)
    service = to_service or from_service
    with context.display("Copying") as display:
        for container in _containers(context, service, flags, several=several):
            inside = f"{container.name}:{to_path if several else from_path}"
            pair = [source, inside] if several else [inside, target]
            text = f"copy {pair[0]} to {pair[1]}"
            reporter = Reporter(display, container.name)
            if "-" not in words:
                reporter.working(f"{text} Copying")
            CONTAINER_CP.run(context.cli, flags, pair)
            if "-" not in words:
                reporter.done(f"{text} Copied")
    return 0


CP = Verb(
    run,
    "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n\tsampan compose cp [OPTIONS] SRC_PATH|- "
    "SERVICE:DEST_PATH",
    "Copy files/folders between a service container and the local filesystem",
    flags=(
        Flag("all", "", "bool", "Include containers created by the run command"),
        Flag("archive", "a", "bool", "Archive mode (copy all uid/gid information)"),
        Flag("follow-link", "L", "bool", "Always follow symbol link in SRC_PATH"),
        Flag("index", "", "int", "Index of the container if service has multiple replicas"),
        Flag("quiet", "", "bool", "Never report", default=True, hidden=True),
    ),
    least=2,
    most=2,
)
