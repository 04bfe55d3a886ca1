"""`build`: the images of services that have a build section."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.building import build_services
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.translate import image_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.model import Project, Service

BUILDER = "default"
PASSED = ("check", "no-cache", "pull", "push", "quiet")


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    project = context.project(names, needed=flags.on("with-dependencies"))
    services = [service for service in project.services.values() if service.build is not None]
    if not services:
        context.warn("No services to build")
        return 0
    if flags.text("builder") not in {"", BUILDER}:
        raise Exit(1, f'no builder "{flags.text("builder")}" found')
    arguments = _arguments(context, flags)
    if flags.on("print"):
        return _print(context, flags, project, services, arguments)
    if context.dry_run:
        for service in services:
            context.say(f"build    image     {image_name(project, service)}: it is asked for")
        return 2
    more = [f"--{name}" for name in PASSED if flags.on(name)]
    for name, value in arguments.items():
        more += ["--build-arg", f"{name}={value}"]
    if flags.text("ssh"):
        more += ["--ssh", flags.text("ssh")]
    if flags.number("memory"):
        more += ["--memory", str(flags.number("memory"))]
    with context.display("Building") as display:
        build_services(context, project, services, display, more)
    return 0


def _arguments(context: ComposeContext, flags: Flags) -> dict[str, str]:
    """Those of the command line; without a value they take the environment's."""
    found = {}
    for item in flags.items("build-arg"):
        name, equals, value = item.partition("=")
        given = value if equals else context.environment.get(name)
        if given is not None:
            found[name] = given
    return found


def _print(
    context: ComposeContext,
    flags: Flags,
    project: Project,
    services: list[Service],
    arguments: dict[str, str],
) -> int:
    from sampan.cli.commands.compose.baking import bake_file

    more: dict[str, object] = {"args": arguments}
    more |= {name: True for name in ("pull", "no-cache") if flags.on(name)}
    more |= {"ssh": [flags.text("ssh")]} if flags.text("ssh") else {}
    context.cli.out(bake_file(context, project, services, more))
    return 0


BUILD = Verb(
    run,
    "[OPTIONS] [SERVICE...]",
    "Build or rebuild services",
    flags=(
        Flag("build-arg", "", "stringArray", "Set build-time variables for services"),
        Flag("builder", "", "string", 'Set builder to use: there is one, "default"'),
        Flag("check", "", "bool", "Check build configuration"),
        Flag("compress", "", "bool", "No effect", hidden=True, default=True),
        Flag("force-rm", "", "bool", "No effect", hidden=True, default=True),
        Flag("memory", "m", "bytes", "Set memory limit for the build container"),
        Flag("no-cache", "", "bool", "Do not use cache when building the image"),
        Flag("no-rm", "", "bool", "No effect", hidden=True),
        Flag("parallel", "", "bool", "No effect", hidden=True, default=True),
        Flag("print", "", "bool", "Print equivalent bake file"),
        Flag("pull", "", "bool", "Always attempt to pull a newer version of the image"),
        Flag("push", "", "bool", "Push service images"),
        Flag("quiet", "q", "bool", "Suppress the build output"),
        Flag("ssh", "", "string", "Set SSH authentications used when building service images"),
        Flag("with-dependencies", "", "bool", "Also build dependencies (transitively)"),
    ),
)
