"""`exec`: another process in a running container."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.flags import Flag
from sampan.cli.runflags.checks import env as check_env

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _environment(flags: Flags) -> list[str] | None:
    if not flags.items("env-file"):
        return flags.items("env") or None
    from sampan.cli.runflags.keyvalues import environment

    return environment(flags.items("env-file"), flags.items("env")) or None


def _console(flags: Flags) -> dict[str, object]:
    if not flags.on("tty"):
        return {}
    from sampan.cli.terminal import size

    return {"ConsoleSize": list(size(1))}


def _request(flags: Flags, command: list[str], keys: str) -> dict[str, object]:
    detach = flags.on("detach")
    return {
        "User": flags.text("user"),
        "Privileged": flags.on("privileged"),
        "Tty": flags.on("tty"),
        **_console(flags),
        "AttachStdin": flags.on("interactive") and not detach,
        "AttachStderr": not detach,
        "AttachStdout": not detach,
        "Detach": detach,
        "DetachKeys": keys,
        "Env": _environment(flags),
        "WorkingDir": flags.text("workdir"),
        "Cmd": command,
    }


def _attached(context: Context, flags: Flags, process: str, keys: str) -> int:
    from sampan.cli.attachment import Detached, Session

    tty = flags.on("tty")
    start = {"Detach": False, "Tty": tty, **_console(flags)}
    hijacked = context.client.hijack(f"/exec/{process}/start", body=start)
    if tty and sys.stdout.isatty():
        from sampan.cli.signals import follow_window

        follow_window(context.client, f"/exec/{process}/resize")
    try:
        Session(hijacked, tty=tty, stdin=flags.on("interactive"), detach_keys=keys).run()
    except Detached:
        context.err("read escape sequence\n")
        return 1
    return int(context.client.get(f"/exec/{process}/json")["ExitCode"] or 0)


def run(context: Context, flags: Flags, words: list[str]) -> int:
    name, *command = words
    keys = flags.text("detach-keys") or context.config.text("detachKeys")
    request = _request(flags, command, keys)
    # Asked first, so that a container that isn't there is named before anything about the terminal.
    context.client.get(path(name, "/json"))
    if request["AttachStdin"] and request["Tty"] and not sys.stdin.isatty():
        raise Exit(1, "the input device is not a TTY")
    process = context.client.post(path(name, "/exec"), body=request)["Id"]
    if flags.on("detach"):
        context.client.post(f"/exec/{process}/start", body={"Detach": True, "Tty": flags.on("tty")})
        return 0
    return _attached(context, flags, process, keys)


EXEC = Command(
    run,
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    flags=(
        Flag("detach", "d", "bool", "Detached mode: run command in the background"),
        Flag("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        Flag("env", "e", "list", "Set environment variables", check=check_env),
        Flag("env-file", "", "list", "Read in a file of environment variables"),
        Flag("interactive", "i", "bool", "Keep STDIN open even if not attached"),
        Flag("privileged", "", "bool", "Give extended privileges to the command"),
        Flag("tty", "t", "bool", "Allocate a pseudo-TTY"),
        Flag("user", "u", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
        Flag("workdir", "w", "string", "Working directory inside the container"),
    ),
    least=2,
    most=None,
    interspersed=False,
)
