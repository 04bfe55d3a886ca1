"""`up` and `create`: converge, then stay in the foreground, wait, or leave."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.converging import (
    SHARED_FLAGS,
    convergence,
    scaled_project,
    show_foreseen,
    wanted,
    warn_of,
)
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.convergence import wait_running
from sampan.errors import Unsupported
from sampan.lib.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.convergence import Wanted
    from sampan.compose.model import Project

ABORTS = ("abort-on-container-exit", "abort-on-container-failure", "exit-code-from")


def _check(flags: Flags) -> None:
    if flags.on("menu"):
        raise Unsupported("up --menu is not supported: --watch watches, Ctrl-C stops")
    detached = flags.on("detach") or flags.on("wait")
    if flags.text("exit-code-from") and flags.on("abort-on-container-failure"):
        raise Exit(1, "cannot combine --abort-on-container-failure and --exit-code-from")
    if flags.on("abort-on-container-exit") and flags.on("abort-on-container-failure"):
        raise Exit(1, "cannot combine --abort-on-container-exit and --abort-on-container-failure")
    if detached and any(flags.given(name) for name in (*ABORTS, "attach", "attach-dependencies")):
        raise Exit(
            1,
            "--wait and --detach cannot be combined with --abort-on-container-exit, "
            "--abort-on-container-failure, --exit-code-from, --attach or --attach-dependencies",
        )
    if flags.on("no-start") and (detached or flags.on("watch")):
        raise Exit(1, "--no-start can't be combined with --detach, --wait or --watch")
    if flags.on("detach") and flags.on("watch"):
        raise Exit(1, "--detach and --watch cannot be combined")


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    _check(flags)
    choices = wanted(context, flags, names)
    if flags.on("always-recreate-deps") and flags.on("no-recreate"):
        raise Exit(1, "--always-recreate-deps and --no-recreate are incompatible")
    needed = not flags.on("no-deps")
    project = scaled_project(context, flags, names, needed=needed)
    chosen = flags.text("exit-code-from")
    if chosen and chosen not in project.services:
        raise Exit(1, f"no such service: {chosen}")
    if not project.services:
        raise Exit(1, "no service selected")
    if context.dry_run:
        with context.display() as display:
            return show_foreseen(context, convergence(context, project, display, choices))
    if flags.on("detach") or flags.on("wait") or flags.on("no-start"):
        return _in_background(context, flags, project, choices)
    from sampan.cli.commands.compose.foreground import Foreground

    return Foreground(context, flags, project, choices, names).run()


def _in_background(context: ComposeContext, flags: Flags, project: Project, choices: Wanted) -> int:
    with context.display() as display:
        converging = convergence(
            context,
            project,
            display,
            choices,
            quiet_pull=flags.on("quiet-pull"),
            quiet_build=flags.on("quiet-build"),
        )
        observed, plan = converging.plan()
        warn_of(context, plan)
        apply = converging.applying(observed)
        apply.run(plan)
        if flags.on("wait"):
            timeout_s = flags.number("wait-timeout")
            members = apply.containers.members()
            wait_running(context.api, project, display, members, timeout_s)
    for warning in apply.warnings:
        context.warn(warning)
    return 0


def create(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    choices = wanted(context, flags, names)
    choices = replace(choices, plan=replace(choices.plan, start=False))
    project = scaled_project(context, flags, names)
    if context.dry_run:
        with context.display() as display:
            return show_foreseen(context, convergence(context, project, display, choices))
    return _in_background(context, flags, project, choices)


UP = Verb(
    run,
    "[OPTIONS] [SERVICE...]",
    "Create and start containers",
    flags=(
        *SHARED_FLAGS,
        Flag(
            "abort-on-container-exit",
            "",
            "bool",
            "Stops all containers if any container was stopped. Incompatible with -d",
        ),
        Flag(
            "abort-on-container-failure",
            "",
            "bool",
            "Stops all containers if any container exited with failure. Incompatible with -d",
        ),
        Flag(
            "always-recreate-deps",
            "",
            "bool",
            "Recreate dependent containers. Incompatible with --no-recreate.",
        ),
        Flag("attach", "", "stringArray", "Restrict attaching to the specified services"),
        Flag(
            "attach-dependencies",
            "",
            "bool",
            "Automatically attach to log output of dependent services",
        ),
        Flag("detach", "d", "bool", "Detached mode: Run containers in the background"),
        Flag(
            "exit-code-from",
            "",
            "string",
            "Return the exit code of the selected service container",
        ),
        Flag("menu", "", "bool", "Enable interactive shortcuts (not supported)", hidden=True),
        Flag(
            "no-attach", "", "stringArray", "Do not attach (stream logs) to the specified services"
        ),
        Flag("no-color", "", "bool", "Produce monochrome output"),
        Flag("no-deps", "", "bool", "Don't start linked services"),
        Flag("no-log-prefix", "", "bool", "Don't print prefix in logs"),
        Flag("no-start", "", "bool", "Don't start the services after creating them"),
        Flag("quiet-build", "", "bool", "Suppress the build output"),
        Flag(
            "renew-anon-volumes",
            "V",
            "bool",
            "Recreate anonymous volumes instead of retrieving data from the previous containers",
        ),
        Flag(
            "timeout",
            "t",
            "int",
            "Use this timeout in seconds for container shutdown",
        ),
        Flag("timestamps", "", "bool", "Show timestamps"),
        Flag("wait", "", "bool", "Wait for services to be running|healthy. Implies detached mode."),
        Flag("wait-timeout", "", "int", "Maximum duration in seconds to wait for the project"),
        Flag("watch", "w", "bool", "Watch source code and rebuild/refresh containers"),
    ),
)

CREATE = Verb(
    create,
    "[OPTIONS] [SERVICE...]",
    "Creates containers for a service",
    flags=SHARED_FLAGS,
)
