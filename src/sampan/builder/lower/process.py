"""RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK: what runs, at build time or later."""

import posixpath

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.graph import Vertex
from sampan.builder.lower.stage import Lowering, go_list, go_quote
from sampan.builder.ops.exec import ExecOp, Program
from sampan.errors import Unsupported
from sampan.lib import gotime
from sampan.oci.image_config import HealthSpec


class NeedsBuildKit(Unsupported):
    def __init__(self, flag: str) -> None:
        super().__init__(
            f"the --{flag} option requires BuildKit. Refer to "
            "https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit "
            "enabled"
        )
        self.flag = flag


def lower_run(lowering: Lowering, instruction: kinds.Run) -> None:
    if instruction.unsupported_flag:
        raise NeedsBuildKit(instruction.unsupported_flag)
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
    )
    op = ExecOp(
        program,
        lowering.record(*shown),
        session=lowering.parts.session,
        workspaces=lowering.parts.workspaces,
        exporter=lowering.parts.exporter,
        workers=lowering.parts.workers,
    )
    lowering.add(Vertex(op, (lowering.last,), lowering.label, lowering.shows_result))


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
