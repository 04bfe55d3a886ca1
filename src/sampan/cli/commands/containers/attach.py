"""`attach`: our streams joined to those of a running container."""

from __future__ import annotations

import sys

from sampan.cli.attachment import Detached, Session
from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.flags import Flag
from sampan.cli.waiting import ExitWait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _check_running(inspected: dict[str, Any]) -> None:
    state = inspected["State"]
    if not state["Running"]:
        raise Exit(1, "You cannot attach to a stopped container, start it first")
    if state["Paused"]:
        raise Exit(1, "You cannot attach to a paused container, unpause it first")
    if state["Restarting"]:
        raise Exit(1, "You cannot attach to a restarting container, wait until it is running")


def run(context: Context, flags: Flags, names: list[str]) -> int:
    client = context.client
    name = names[0]
    waiting = ExitWait(client, name, condition="")
    inspected = client.get(path(name, "/json"))
    _check_running(inspected)
    tty = bool(inspected["Config"]["Tty"])
    stdin = bool(inspected["Config"]["OpenStdin"]) and not flags.on("no-stdin")
    if stdin and tty and not sys.stdin.isatty():
        raise Exit(1, "the input device is not a TTY")
    keys = flags.text("detach-keys") or context.config.text("detachKeys")
    query = [("detachKeys", keys)] if keys else []
    query += [("stderr", "1"), *([("stdin", "1")] if stdin else [])]
    query += [("stdout", "1"), ("stream", "1")]
    if flags.on("sig-proxy") and not tty:
        from sampan.cli.signals import forward_to

        forward_to(client, name)
    hijacked = client.hijack(path(name, "/attach"), query)
    # It may have ended before the attach was in place: then nothing would ever come.
    _check_running(client.get(path(name, "/json")))
    if tty and sys.stdout.isatty():
        from sampan.cli.signals import follow_window

        follow_window(client, path(name, "/resize"), redraw=True)
    try:
        Session(hijacked, tty=tty, stdin=stdin, detach_keys=keys).run()
        return waiting.result()
    except Detached:
        context.err("read escape sequence\n")
        return 1
    finally:
        waiting.close()


ATTACH = Command(
    run,
    "[OPTIONS] CONTAINER",
    flags=(
        Flag("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        Flag("no-stdin", "", "bool", "Do not attach STDIN"),
        Flag("sig-proxy", "", "bool", "Proxy all received signals to the process", default=True),
    ),
    least=1,
    most=1,
)
