"""`run`: create, attach, start, wait.

Order of the requests, which engines and tests rely on: create (and pull when the image is
missing), attach, wait, start. The wait is answered at once with its header, so nothing that
happens between start and exit can be missed.
"""

from __future__ import annotations

import sys

from sampan.cli.attachment import Detached, Session
from sampan.cli.command import PROGRAM, Command, Exit
from sampan.cli.creating import body_of, create
from sampan.cli.flags import Flag
from sampan.cli.runflags.table import SHARED
from sampan.cli.waiting import ExitWait
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

FAILURE_STATUS = 125
NOT_FOUND_STATUS = 127
NOT_EXECUTABLE_STATUS = 126
_NOT_FOUND = (
    "executable file not found",
    "no such file or directory",
    "system cannot find the file specified",
)
_NOT_EXECUTABLE = ("permission denied", "is a directory")


def start_status(message: str) -> int:
    """The exit status for a container that couldn't be started, as a shell would give it."""
    if any(text in message for text in _NOT_FOUND):
        return NOT_FOUND_STATUS
    if any(text in message for text in _NOT_EXECUTABLE):
        return NOT_EXECUTABLE_STATUS
    return FAILURE_STATUS


def _prepare(flags: Flags, body: dict[str, Any]) -> None:
    if flags.on("detach") and flags.items("attach"):
        raise Exit(1, "conflicting options: cannot specify both --attach and --detach")
    if body["AttachStdin"] and body["Tty"] and not sys.stdin.isatty():
        raise Exit(1, "the input device is not a TTY")


def _attach(context: Context, flags: Flags, container: str, body: dict[str, Any]) -> Session | None:
    wanted = [
        (name, "1")
        for name, member in (
            ("stderr", "AttachStderr"),
            ("stdin", "AttachStdin"),
            ("stdout", "AttachStdout"),
        )
        if body[member]
    ]
    if not wanted:
        return None
    keys = flags.text("detach-keys") or context.config.text("detachKeys")
    query = ([("detachKeys", keys)] if keys else []) + wanted + [("stream", "1")]
    hijacked = context.client.hijack(f"/containers/{container}/attach", query)
    return Session(
        hijacked, tty=bool(body["Tty"]), stdin=bool(body["AttachStdin"]), detach_keys=keys
    )


def _fail_to_start(context: Context, error: SampanError) -> Exit:
    return Exit(
        start_status(error.message),
        f"{PROGRAM}: {error.message}\n\n"
        f"Run '{PROGRAM} {context.words} --help' for more information",
    )


def _print_id(context: Context, container: str, body: dict[str, Any]) -> None:
    if not (body["AttachStdout"] or body["AttachStderr"]):
        context.say(container)


def _follow(
    context: Context,
    flags: Flags,
    container: str,
    *,
    body: dict[str, Any],
    session: Session | None,
    waiting: ExitWait,
) -> int:
    """Starts the container and stays with it as far as the flags ask."""
    client = context.client
    try:
        client.post(f"/containers/{container}/start")
    except SampanError as error:
        if flags.on("rm"):
            waiting.result()
        raise _fail_to_start(context, error) from error
    if body["Tty"] and session is not None and sys.stdout.isatty():
        from sampan.cli.signals import follow_window

        follow_window(client, f"/containers/{container}/resize")
    if flags.on("detach"):
        context.say(container)
        return 0
    _print_id(context, container, body)
    if session is not None:
        try:
            session.run()
        except Detached:
            return 0
    return waiting.result()


def run(context: Context, flags: Flags, words: list[str]) -> int:
    body = body_of(context, flags, words)
    _prepare(flags, body)
    container = create(context, flags, body, words[0])
    if flags.on("sig-proxy") and not flags.on("detach"):
        from sampan.cli.signals import forward_to

        forward_to(context.client, container)
    session = _attach(context, flags, container, body)
    waiting = ExitWait(context.client, container, removed=flags.on("rm"))
    try:
        return _follow(context, flags, container, body=body, session=session, waiting=waiting)
    finally:
        waiting.close()
        if session is not None:
            session.close()


RUN = Command(
    run,
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=(
        *SHARED,
        Flag("detach", "d", "bool", "Run container in background and print container ID"),
        Flag("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        Flag("help", "", "bool", "Print usage"),
        Flag("sig-proxy", "", "bool", "Proxy received signals to the process", default=True),
    ),
    least=1,
    most=None,
    interspersed=False,
    failure_status=FAILURE_STATUS,
)
