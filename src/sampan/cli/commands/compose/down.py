"""`down`: containers and networks go; volumes and images on demand."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.converging import CHANGES_STATUS, REMOVE_ORPHANS, TRUE
from sampan.cli.commands.compose.selecting import check_services
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.down import ALL, LOCAL, Down, DownOptions, look, plan_down

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    images = flags.text("rmi")
    if images not in {"", ALL, LOCAL}:
        raise Exit(1, f'invalid value for --rmi: "{images}"')
    check_services(context, names)
    project, name = context.project_if_any(), context.project_name()
    orphans = context.environment.get(REMOVE_ORPHANS, "").lower() in TRUE
    options = DownOptions(
        services=frozenset(names),
        volumes=flags.on("volumes"),
        images=images,
        remove_orphans=flags.on("remove-orphans") or orphans,
        timeout_s=flags.number("timeout") if flags.given("timeout") else None,
        parallel=context.parallel,
    )
    plan = plan_down(project, look(context.api, name, project, options), options)
    if context.dry_run:
        for line in plan.lines():
            context.say(line)
        return CHANGES_STATUS if plan.changes else 0
    if not plan.actions and not names:
        context.warn(f'Warning: No resource found to remove for project "{name}".')
    with context.display() as display:
        Down(context.api, display, project, options).run(plan)
    return 0


DOWN = Verb(
    run,
    "[OPTIONS] [SERVICES]",
    "Stop and remove containers, networks",
    flags=(
        Flag("remove-orphans", "", "bool", "Remove containers for services not in the file"),
        Flag(
            "rmi",
            "",
            "string",
            'Remove images used by services. "local" remove only images that don\'t have a '
            'custom tag ("local"|"all")',
        ),
        Flag("timeout", "t", "int", "Specify a shutdown timeout in seconds"),
        Flag(
            "volumes",
            "v",
            "bool",
            'Remove named volumes declared in the "volumes" section of the Compose file and '
            "anonymous volumes attached to containers",
        ),
    ),
)
