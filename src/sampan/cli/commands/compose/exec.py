"""`exec` and `attach`: our streams with a running container of a service."""

from __future__ import annotations

import sys

from sampan.cli.attachment import Detached, Session
from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import one_container
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags


def run(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    service, *command = words
    container = one_container(context, service, flags.number("index"))
    detach = flags.on("detach")
    tty = sys.stdout.isatty() and sys.stdin.isatty() and not flags.on("no-tty") and not detach
    stdin = flags.on("interactive") and not detach
    request = {
        "User": flags.text("user"),
        "Privileged": flags.on("privileged"),
        "Tty": tty,
        "AttachStdin": stdin,
        "AttachStdout": not detach,
        "AttachStderr": not detach,
        "Env": flags.items("env"),
        "WorkingDir": flags.text("workdir"),
        "Cmd": command,
    }
    client = context.cli.client
    process = client.post(f"/containers/{container.id}/exec", body=request)["Id"]
    if detach:
        client.post(f"/exec/{process}/start", body={"Detach": True, "Tty": tty})
        return 0
    hijacked = client.hijack(f"/exec/{process}/start", body={"Detach": False, "Tty": tty})
    if tty:
        from sampan.cli.signals import follow_window

        follow_window(client, f"/exec/{process}/resize")
    try:
        Session(hijacked, tty=tty, stdin=stdin).run()
    except Detached:
        return 0
    return int(client.get(f"/exec/{process}/json")["ExitCode"] or 0)


def attach(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    from sampan.cli.waiting import ExitWait

    container = one_container(context, words[0], flags.number("index"))
    client = context.cli.client
    config = client.get(f"/containers/{container.id}/json")["Config"]
    tty = bool(config["Tty"])
    stdin = bool(config["OpenStdin"]) and not flags.on("no-stdin")
    if stdin and tty and not sys.stdin.isatty():
        raise Exit(1, "the input device is not a TTY")
    keys = flags.text("detach-keys")
    query = [("detachKeys", keys)] if keys else []
    query += [("stderr", "1"), *([("stdin", "1")] if stdin else [])]
    query += [("stdout", "1"), ("stream", "1")]
    waiting = ExitWait(client, container.id, condition="")
    hijacked = client.hijack(f"/containers/{container.id}/attach", query)
    if flags.on("sig-proxy") and not tty:
        from sampan.cli.signals import forward_to

        forward_to(client, container.id)
    if tty and sys.stdout.isatty():
        from sampan.cli.signals import follow_window

        follow_window(client, f"/containers/{container.id}/resize", redraw=True)
    try:
        Session(hijacked, tty=tty, stdin=stdin, detach_keys=keys).run()
        return waiting.result()
    except Detached:
        return 0
    finally:
        waiting.close()


INDEX = Flag("index", "", "int", "Index of the container if service has multiple replicas")

EXEC = Verb(
    run,
    "[OPTIONS] SERVICE COMMAND [ARGS...]",
    "Execute a command in a running container",
    flags=(
        Flag("detach", "d", "bool", "Detached mode: Run command in the background"),
        Flag("env", "e", "stringArray", "Set environment variables"),
        INDEX,
        Flag("interactive", "i", "bool", "Keep STDIN open", default=True, hidden=True),
        Flag("no-tty", "T", "bool", "Disable pseudo-TTY allocation"),
        Flag("privileged", "", "bool", "Give extended privileges to the process"),
        Flag("tty", "t", "bool", "Allocate a pseudo-TTY", default=True, hidden=True),
        Flag("user", "u", "string", "Run the command as this user"),
        Flag("workdir", "w", "string", "Path to workdir directory for this command"),
    ),
    least=2,
    interspersed=False,
)
ATTACH = Verb(
    attach,
    "[OPTIONS] SERVICE",
    "Attach local standard input, output, and error streams to a service's running container",
    flags=(
        Flag("detach-keys", "", "string", "Override the key sequence for detaching"),
        INDEX,
        Flag("no-stdin", "", "bool", "Do not attach STDIN"),
        Flag("sig-proxy", "", "bool", "Proxy all received signals to the process", default=True),
    ),
    least=1,
    most=1,
)
