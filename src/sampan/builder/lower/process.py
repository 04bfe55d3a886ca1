"""RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK: what runs, at build time or later."""

import posixpath
from dataclasses import replace

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.run_mounts import MountKind, resolve_mount
from sampan.builder.graph import Vertex
from sampan.builder.lower.stage import Lowering, SourceOf, go_list, go_quote
from sampan.builder.ops.exec import ExecOp, Program
from sampan.builder.step_mounts import PlannedMount
from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.oci.image_config import HealthSpec

_HOST_NETWORK = "network.host"


class NotEntitled(InvalidArgument):
    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not allowed")


def lower_run(lowering: Lowering, instruction: kinds.Run, source_of: SourceOf) -> None:
    _check_allowed(lowering, instruction)
    mounts, sources = _planned(lowering, instruction, source_of)
    argv = _argv(lowering, instruction)
    environment = lowering.environment
    arguments = lowering.scope.referenced(environment)
    shown = tuple(argv)
    if arguments:
        told = [f"{name}={value}" for name, value in arguments.items()]
        shown = (f"|{len(told)}", *told, *argv)
    program = Program(
        argv=tuple(argv),
        env={**arguments, **environment},
        unkeyed_env=lowering.scope.proxies(),
        cwd=lowering.config.WorkingDir or "/",
        user=lowering.config.User,
        volumes=tuple(
            posixpath.normpath(f"/{path}") for path in sorted(lowering.config.Volumes or {})
        ),
        network_mode=lowering.parts.network_mode,
        network="" if instruction.network == "default" else instruction.network,
        mounts=mounts,
    )
    op = ExecOp(
        program,
        lowering.record(*shown),
        session=lowering.parts.session,
        step_mounts=lowering.parts.step_mounts,
        workspaces=lowering.parts.workspaces,
        exporter=lowering.parts.exporter,
        workers=lowering.parts.workers,
    )
    inputs = (lowering.last, *sources)
    lowering.add(Vertex(op, inputs, lowering.label, lowering.shows_result))


def _check_allowed(lowering: Lowering, instruction: kinds.Run) -> None:
    allowed = lowering.parts.entitlements
    wants_host = instruction.network == "host" and lowering.parts.network_mode != "host"
    if wants_host and _HOST_NETWORK not in allowed:
        raise NotEntitled(_HOST_NETWORK)
    if instruction.security == "insecure":
        raise NotEntitled("security.insecure")
    if instruction.devices:
        raise NotEntitled("device")


def _planned(
    lowering: Lowering, instruction: kinds.Run, source_of: SourceOf
) -> tuple[tuple[PlannedMount, ...], tuple[Vertex, ...]]:
    """The mounts, and the vertices that they read; these come after the state in `inputs`."""
    planned: list[PlannedMount] = []
    sources: list[Vertex] = []
    agents = 0
    for fields in instruction.mounts:
        mount = resolve_mount(fields, lowering.expand)
        if mount.kind is MountKind.SSH:
            target = mount.target or f"/run/buildkit/ssh_agent.{agents}"
            mount, agents = replace(mount, target=target), agents + 1
        if mount.target:
            mount = replace(mount, target=_mount_target(lowering, mount.target))
        number = 0
        if mount.kind is MountKind.BIND or (mount.kind is MountKind.CACHE and mount.source_name):
            sources.append(source_of(mount.source_name))
            number = len(sources)
        planned.append(PlannedMount(mount, number))
    return tuple(planned), tuple(sources)


def _mount_target(lowering: Lowering, text: str) -> str:
    target = posixpath.normpath(posixpath.join("/", lowering.config.WorkingDir, text))
    target = "/" + target.lstrip("/")
    if target == "/":
        raise InvalidArgument(f'invalid mount target "{text}"')
    return target


def _argv(lowering: Lowering, instruction: kinds.Run) -> list[str]:
    """A lone here-document is the script; beside a command it goes to the shell with it."""
    if not instruction.heredocs:
        return instruction.command.argv(lowering.shell)
    text = instruction.command.words[0]
    first = instruction.heredocs[0]
    if len(instruction.heredocs) == 1 and text == first.word:
        return [*lowering.shell, first.body]
    bodies = "".join(f"\n{heredoc.body}{heredoc.name}" for heredoc in instruction.heredocs)
    return [*lowering.shell, text + bodies]


def lower_cmd(lowering: Lowering, instruction: kinds.Cmd) -> None:
    argv = _stored(lowering, instruction.command)
    lowering.change(Cmd=argv)
    lowering.cmd_set = True
    lowering.nop(f"CMD {go_list(argv)}")


def lower_entrypoint(lowering: Lowering, instruction: kinds.Entrypoint) -> None:
    """A Cmd inherited from the base doesn't fit a new entrypoint and goes."""
    argv = _stored(lowering, instruction.command)
    lowering.change(Entrypoint=argv)
    if not lowering.cmd_set:
        lowering.change(Cmd=None)
    lowering.nop(f"ENTRYPOINT {go_list(argv)}")


def _stored(lowering: Lowering, command: kinds.Command) -> list[str]:
    return command.argv(lowering.shell) if command.words else []


def lower_shell(lowering: Lowering, instruction: kinds.Shell) -> None:
    words = [lowering.expand(word) for word in instruction.words]
    lowering.change(Shell=words)
    lowering.nop(f"SHELL [{' '.join(words)}]")


def lower_health(lowering: Lowering, instruction: kinds.HealthCheck) -> None:
    previous = lowering.config.Healthcheck
    notice = ""
    if previous is not None and previous.Test and previous.Test[0] != "NONE":
        notice = f"Note: overriding previous HEALTHCHECK: [{' '.join(previous.Test)}]\n"
    command = instruction.command
    if command is None:
        test = ["NONE"]
    elif command.shell_form:
        test = ["CMD-SHELL", *command.words]
    else:
        test = ["CMD", *command.words]
    spec = HealthSpec(
        Test=test,
        Interval=instruction.interval_ns,
        Timeout=instruction.timeout_ns,
        StartPeriod=instruction.start_period_ns,
        StartInterval=instruction.start_interval_ns,
        Retries=instruction.retries,
    )
    lowering.change(Healthcheck=spec)
    lowering.nop(f"HEALTHCHECK {_go_text(spec)}", notice=notice)


def _go_text(spec: HealthSpec) -> str:
    """Go's %q of the struct, which is what history has."""
    durations = (spec.Interval, spec.Timeout, spec.StartPeriod, spec.StartInterval)
    times = " ".join(go_quote(gotime.format_duration(duration)) for duration in durations)
    retries = chr(spec.Retries)
    shown = retries if 0x20 <= spec.Retries < 0x7F else f"\\x{spec.Retries:02x}"
    return f"&{{{go_list(spec.Test or [])} {times} '{shown}'}}"
