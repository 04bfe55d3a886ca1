"""`start`: stopped containers again; with -a or -i one of them attached."""

from __future__ import annotations

import sys

from sampan.cli.attachment import Detached, Session
from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.flags import Flag
from sampan.cli.waiting import ExitWait
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _start_all(context: Context, names: list[str]) -> int:
    failed: list[str] = []
    for name in names:
        try:
            context.client.post(path(name, "/start"))
        except SampanError as error:
            context.err(error.message + "\n")
            failed.append(name)
        else:
            context.say(name)
    if failed:
        context.err(f"Error: failed to start containers: {', '.join(failed)}\n")
        return 1
    return 0


def _start_attached(context: Context, flags: Flags, name: str) -> int:
    client = context.client
    inspected = client.get(path(name, "/json"))
    container, config = inspected["Id"], inspected["Config"]
    tty = bool(config["Tty"])
    stdin = flags.on("interactive") and bool(config["OpenStdin"])
    if stdin and tty and not sys.stdin.isatty():
        raise Exit(1, "the input device is not a TTY")
    if flags.on("sig-proxy") and not tty:
        from sampan.cli.signals import forward_to

        forward_to(client, container)
    keys = flags.text("detach-keys") or context.config.text("detachKeys")
    query = [("detachKeys", keys)] if keys else []
    query += [("stderr", "1"), *([("stdin", "1")] if stdin else [])]
    query += [("stdout", "1"), ("stream", "1")]
    hijacked = client.hijack(path(container, "/attach"), query)
    removed = bool(inspected["HostConfig"].get("AutoRemove"))
    waiting = ExitWait(client, container, removed=removed)
    client.post(path(container, "/start"))
    if tty and sys.stdout.isatty():
        from sampan.cli.signals import follow_window

        follow_window(client, path(container, "/resize"))
    try:
        Session(hijacked, tty=tty, stdin=stdin, detach_keys=keys).run()
        return waiting.result()
    except Detached:
        return 0
    finally:
        waiting.close()


def run(context: Context, flags: Flags, names: list[str]) -> int:
    if flags.on("attach") or flags.on("interactive"):
        if len(names) > 1:
            raise Exit(1, "you cannot start and attach multiple containers at once")
        return _start_attached(context, flags, names[0])
    return _start_all(context, names)


START = Command(
    run,
    "[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(
        Flag("attach", "a", "bool", "Attach STDOUT/STDERR and forward signals"),
        Flag("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        Flag("interactive", "i", "bool", "Attach container's STDIN"),
        Flag("sig-proxy", "", "bool", "Forward signals", default=True, hidden=True),
    ),
    least=1,
    most=None,
)
