"""What `up`, `create`, `scale`, `run` and `watch` share: flags for converging, and doing it."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.flags import Flag
from sampan.compose.apply import ApplyOptions
from sampan.compose.convergence import Convergence, Wanted
from sampan.compose.ordering import scaled
from sampan.compose.plan import PlanOptions, Recreate
from sampan.compose.plan_images import ImageChoice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.commands.compose.display import Display
    from sampan.cli.flags import Flags
    from sampan.compose.actions import Plan
    from sampan.compose.model import Project

CHANGES_STATUS = 2
PULL_POLICIES = frozenset({"always", "missing", "never", "build", "policy", ""})
REMOVE_ORPHANS = "COMPOSE_REMOVE_ORPHANS"
IGNORE_ORPHANS = "COMPOSE_IGNORE_ORPHANS"
TRUE = frozenset({"1", "t", "true", "yes", "on"})

SHARED_FLAGS = (
    Flag("build", "", "bool", "Build images before starting containers"),
    Flag("force-recreate", "", "bool", "Recreate containers even if nothing has changed"),
    Flag("no-build", "", "bool", "Don't build an image, even if it's policy"),
    Flag("no-recreate", "", "bool", "If containers already exist, don't recreate them"),
    Flag(
        "pull",
        "",
        "string",
        'Pull image before running ("always"|"missing"|"never"|"build")',
        default="policy",
    ),
    Flag("quiet-pull", "", "bool", "Pull without printing progress information"),
    Flag("remove-orphans", "", "bool", "Remove containers for services not in the Compose file"),
    Flag("scale", "", "stringArray", "Scale SERVICE to NUM instances"),
    Flag("yes", "y", "bool", 'Assume "yes" as answer to all prompts'),
)


def counts(items: Sequence[str]) -> dict[str, int]:
    """SERVICE=NUM. Raises Exit."""
    found = {}
    for item in items:
        name, equals, number = item.partition("=")
        if not equals:
            raise Exit(1, f'invalid --scale option "{item}". Should be SERVICE=NUM')
        if not number.isdecimal():
            raise Exit(1, f'strconv.Atoi: parsing "{number}": invalid syntax')
        found[name] = int(number)
    return found


def wanted(context: ComposeContext, flags: Flags, names: Sequence[str]) -> Wanted:
    """The flags as choices. Raises Exit for those that exclude each other."""
    if flags.on("force-recreate") and flags.on("no-recreate"):
        raise Exit(1, "--force-recreate and --no-recreate are incompatible")
    if flags.on("build") and flags.on("no-build"):
        raise Exit(1, "--build and --no-build are incompatible")
    pull = flags.text("pull")
    if pull not in PULL_POLICIES:
        raise Exit(1, f'invalid --pull option "{pull}"')
    policy = Recreate.DIVERGED
    if flags.on("force-recreate"):
        policy = Recreate.FORCE
    elif flags.on("no-recreate"):
        policy = Recreate.NEVER
    needed = Recreate.NEVER if policy is Recreate.NEVER else Recreate.DIVERGED
    if flags.on("always-recreate-deps"):
        needed = Recreate.FORCE
    orphans = context.environment.get(REMOVE_ORPHANS, "").lower() in TRUE
    return Wanted(
        images=ImageChoice(
            pull="" if pull == "policy" else pull,
            build=flags.on("build"),
            no_build=flags.on("no-build"),
        ),
        plan=PlanOptions(
            selected=frozenset(names),
            recreate=policy,
            recreate_dependencies=needed,
            remove_orphans=flags.on("remove-orphans") or orphans,
            recreate_volumes=flags.on("yes"),
            start=not flags.on("no-start"),
        ),
        apply=ApplyOptions(
            stop_timeout_s=flags.number("timeout") if flags.given("timeout") else None,
            wait_timeout_s=flags.number("wait-timeout"),
            renew_volumes=flags.on("renew-anon-volumes"),
            parallel=context.parallel,
        ),
    )


def scaled_project(
    context: ComposeContext, flags: Flags, names: Sequence[str], *, needed: bool = True
) -> Project:
    return scaled(context.project(names, needed=needed), counts(flags.items("scale")))


def convergence(
    context: ComposeContext,
    project: Project,
    display: Display,
    choices: Wanted,
    *,
    quiet_pull: bool = False,
    quiet_build: bool = False,
) -> Convergence:
    from sampan.cli.commands.compose.imaging import CliImages

    images = CliImages(context, project, display, quiet=quiet_pull, quiet_build=quiet_build)
    return Convergence(context.api, project, display, images, choices)


def show_foreseen(context: ComposeContext, converging: Convergence) -> int:
    """A dry run: the plan, and 0 when there is nothing to do, else 2."""
    foreseen = converging.foresee()
    for action in (*foreseen.images, *foreseen.plan.actions):
        context.say(f"{action.kind:<8} {action.subject:<9} {action.name}: {action.reason}")
    warn_of(context, foreseen.plan)
    return CHANGES_STATUS if foreseen.images or foreseen.plan.changes else 0


def warn_of(context: ComposeContext, plan: Plan) -> None:
    """The plan's warnings, and containers that no service wants."""
    for warning in plan.warnings:
        context.warn(warning)
    ignored = context.environment.get(IGNORE_ORPHANS, "").lower() in TRUE
    if plan.orphans and not ignored:
        names = " ".join(container.name for container in plan.orphans)
        context.warn(
            f"Found orphan containers ([{names}]) for this project. If you removed or renamed "
            "this service in your compose file, you can run this command with the "
            "--remove-orphans flag to clean it up."
        )
