"""start, stop, restart, kill, pause, unpause and rm of a project's containers."""

from __future__ import annotations

import sys

from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.conditions import Member
from sampan.compose.convergence import wait_running
from sampan.compose.lifecycle import Lifecycle, dependency_map, in_order
from sampan.compose.observe import Observed, list_containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.lifecycle import Act
    from sampan.compose.model import Project
    from sampan.compose.observe import ObservedContainer
    from sampan.compose.progress import Progress

STOPPED = frozenset({"created", "exited", "dead"})
PLAN_STATUS = 2
TIMEOUT = Flag("timeout", "t", "int", "Specify a shutdown timeout in seconds")


def _timeout_s(flags: Flags) -> int | None:
    return flags.number("timeout") if flags.given("timeout") else None


def _verbs(context: ComposeContext, progress: Progress, timeout_s: int | None = None) -> Lifecycle:
    return Lifecycle(context.api, progress, context.project_if_any(), timeout_s=timeout_s)


def _dry(context: ComposeContext, verb: str, containers: Sequence[ObservedContainer]) -> int:
    for container in containers:
        context.say(f"{verb:<8} container {container.name}: it is {container.state}")
    return PLAN_STATUS if containers else 0


def _each(
    context: ComposeContext,
    containers: Sequence[ObservedContainer],
    act: Act,
    *,
    reverse: bool = False,
) -> None:
    needs = dependency_map(context.project_if_any(), containers)
    in_order(containers, needs, act, reverse=reverse, limit=context.parallel)


def stop(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    containers = containers_of(context, names)
    if context.dry_run:
        return _dry(context, "stop", [each for each in containers if each.running])
    with context.display("Stopping") as display:
        verbs = _verbs(context, display, _timeout_s(flags))
        _each(context, containers, verbs.stop, reverse=True)
    return 0


def start(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    containers = containers_of(context, names)
    project = context.project_if_any()
    have = {container.service for container in containers}
    for service in project.services.values() if project else ():
        if service.name not in have and service.replicas and (not names or service.name in names):
            raise Exit(1, f'service "{service.name}" has no container to start')
    idle = [container for container in containers if not container.running]
    if context.dry_run:
        return _dry(context, "start", idle)
    with context.display("Starting") as display:
        _start_all(context, display, project, idle)
        if flags.on("wait") and project is not None:
            members: dict[str, list[Member]] = {}
            for container in containers:
                member = Member(container.id, container.name, container.service)
                members.setdefault(container.service, []).append(member)
            timeout_s = flags.number("wait-timeout")
            chosen = context.project(names, needed=False) if names else project
            wait_running(context.api, chosen, display, members, timeout_s)
    return 0


def _start_all(
    context: ComposeContext,
    progress: Progress,
    project: Project | None,
    containers: Sequence[ObservedContainer],
) -> None:
    if project is None:
        _each(context, containers, _verbs(context, progress).start)
        return
    from sampan.compose.actions import Action, Kind, Plan, Subject
    from sampan.compose.apply import Apply, ApplyOptions
    from sampan.compose.ordering import dependencies, order

    every = list_containers(context.api, project.name)
    options = ApplyOptions(parallel=context.parallel)
    apply = Apply(context.api, project, Observed(containers=every), progress, options)
    found: dict[str, list[Action]] = {}
    for name in order(project.services):
        before = {a.id for d in dependencies(project.services[name]) for a in found.get(d, ())}
        found[name] = [
            Action(
                kind=Kind.START,
                subject=Subject.CONTAINER,
                name=container.name,
                reason=f"it is {container.state}",
                key=name,
                container=container,
                after=frozenset(before),
            )
            for container in containers
            if container.service == name
        ]
    apply.run(Plan(actions=tuple(action for actions in found.values() for action in actions)))


def restart(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    containers = containers_of(context, names)
    project = context.project_if_any()
    if project is not None and names and not flags.on("no-deps"):
        containers += _dependents(context, project, {each.service for each in containers})
    if context.dry_run:
        return _dry(context, "restart", containers)
    with context.display("Restarting") as display:
        verbs = _verbs(context, display, _timeout_s(flags))
        _each(context, containers, verbs.restart)
    return 0


def _dependents(
    context: ComposeContext, project: Project, services: set[str]
) -> list[ObservedContainer]:
    """Containers of services that restart with these."""
    names = [
        name
        for name, service in project.services.items()
        if name not in services
        and any(how.restart and other in services for other, how in service.depends_on.items())
    ]
    return containers_of(context, names, all_states=False) if names else []


def kill(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    project = context.project_if_any()
    every = list_containers(context.api, context.project_name())
    containers = [each for each in containers_of(context, names) if each.running]
    orphans = [each for each in every if project and each.service not in project.all_services()]
    orphans = orphans if flags.on("remove-orphans") else []
    if not containers and not orphans:
        context.err("no container to kill")
        return 0
    if context.dry_run:
        return _dry(context, "kill", containers)
    signal = flags.text("signal")
    with context.display("Killing") as display:
        verbs = _verbs(context, display)
        _each(context, containers, lambda container: verbs.kill(container, signal))
        _each(context, orphans, verbs.remove)
    return 0


def pause(context: ComposeContext, _flags: Flags, names: list[str]) -> int:
    containers = [each for each in containers_of(context, names) if each.running]
    if context.dry_run:
        return _dry(context, "pause", containers)
    with context.display("Pausing") as display:
        _each(context, containers, _verbs(context, display).pause)
    return 0


def unpause(context: ComposeContext, _flags: Flags, names: list[str]) -> int:
    containers = [each for each in containers_of(context, names) if each.state == "paused"]
    if context.dry_run:
        return _dry(context, "unpause", containers)
    with context.display("Unpausing") as display:
        _each(context, containers, _verbs(context, display).unpause)
    return 0


def remove(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    containers = containers_of(context, names, oneoff=True)
    if not flags.on("stop"):
        containers = [container for container in containers if container.state in STOPPED]
    if not containers:
        context.err("No stopped containers\n")
        return 0
    if context.dry_run:
        return _dry(context, "remove", containers)
    if not flags.on("force") and not _confirmed(context, containers):
        return 0
    with context.display("Removing") as display:
        verbs = _verbs(context, display)
        if flags.on("stop"):
            _each(context, [each for each in containers if each.running], verbs.stop, reverse=True)
        volumes = flags.on("volumes")
        _each(context, containers, lambda container: verbs.remove(container, volumes=volumes))
    return 0


def _confirmed(context: ComposeContext, containers: Sequence[ObservedContainer]) -> bool:
    names = ", ".join(container.name for container in containers)
    context.say(f"? Going to remove {names} [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


STOP = Verb(stop, "[OPTIONS] [SERVICE...]", "Stop services", flags=(TIMEOUT,))
START = Verb(
    start,
    "[OPTIONS] [SERVICE...]",
    "Start services",
    flags=(
        Flag("wait", "", "bool", "Wait for services to be running|healthy."),
        Flag("wait-timeout", "", "int", "Maximum duration in seconds to wait"),
    ),
)
RESTART = Verb(
    restart,
    "[OPTIONS] [SERVICE...]",
    "Restart service containers",
    flags=(Flag("no-deps", "", "bool", "Don't restart dependent services"), TIMEOUT),
)
KILL = Verb(
    kill,
    "[OPTIONS] [SERVICE...]",
    "Force stop service containers",
    flags=(
        Flag("remove-orphans", "", "bool", "Remove containers for services not in the file"),
        Flag("signal", "s", "string", "SIGNAL to send to the container", default="SIGKILL"),
    ),
)
PAUSE = Verb(pause, "[SERVICE...]", "Pause services")
UNPAUSE = Verb(unpause, "[SERVICE...]", "Unpause services")
RM = Verb(
    remove,
    "[OPTIONS] [SERVICE...]",
    "Removes stopped service containers",
    flags=(
        Flag("all", "a", "bool", "Deprecated - no effect", hidden=True),
        Flag("force", "f", "bool", "Don't ask to confirm removal"),
        Flag("stop", "s", "bool", "Stop the containers, if required, before removing"),
        Flag("volumes", "v", "bool", "Remove any anonymous volumes attached to containers"),
    ),
)
