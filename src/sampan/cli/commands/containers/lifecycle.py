"""Verbs that move containers between states: stop, kill, restart, pause, rm, rename, wait."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.client.errors import EngineError
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

NAMES = "[OPTIONS] CONTAINER [CONTAINER...]"


def path(name: str, act: str = "") -> str:
    return f"/containers/{quote(name.removeprefix('/'))}{act}"


def _signal_and_timeout(flags: Flags) -> list[tuple[str, str]]:
    query = []
    if signal := flags.text("signal"):
        query.append(("signal", signal))
    given = [spelling for spelling in ("timeout", "time") if flags.given(spelling)]
    return query + [("t", str(flags.number(spelling))) for spelling in given]


def stop(context: Context, flags: Flags, names: list[str]) -> int:
    query = _signal_and_timeout(flags)
    return for_each(
        context,
        names,
        lambda name: context.client.post(path(name, "/stop"), query),
        together=True,
    )


def restart(context: Context, flags: Flags, names: list[str]) -> int:
    query = _signal_and_timeout(flags)
    return for_each(
        context,
        names,
        lambda name: context.client.post(path(name, "/restart"), query),
        together=True,
    )


def kill(context: Context, flags: Flags, names: list[str]) -> int:
    query = [("signal", flags.text("signal"))] if flags.text("signal") else []
    return for_each(context, names, lambda name: context.client.post(path(name, "/kill"), query))


def pause(context: Context, _flags: Flags, names: list[str]) -> int:
    return for_each(context, names, lambda name: context.client.post(path(name, "/pause")))


def unpause(context: Context, _flags: Flags, names: list[str]) -> int:
    return for_each(context, names, lambda name: context.client.post(path(name, "/unpause")))


def remove(context: Context, flags: Flags, names: list[str]) -> int:
    force = flags.on("force")
    query = [
        (parameter, "1")
        for parameter, flag in (("force", "force"), ("link", "link"), ("v", "volumes"))
        if flags.on(flag)
    ]
    status = 0
    for name in names:
        try:
            context.client.delete(path(name), query)
        except EngineError as error:
            context.err(error.message + "\n")
            if not (force and error.status == 404):
                status = 1
        else:
            context.say(name)
    return status


def rename(context: Context, _flags: Flags, names: list[str]) -> int:
    old, new = names
    try:
        context.client.post(path(old, "/rename"), [("name", new)])
    except EngineError as error:
        context.err(f"{error.message}\nError: failed to rename container named {old}\n")
        return 1
    return 0


def wait(context: Context, _flags: Flags, names: list[str]) -> int:
    def until_stopped(name: str) -> str:
        return str(context.client.post(path(name, "/wait"))["StatusCode"])

    return for_each(context, names, until_stopped)


_TIMEOUT = (
    Flag("signal", "s", "string", "Signal to send to the container"),
    Flag("timeout", "t", "int", "Seconds to wait before killing the container"),
    Flag("time", "", "int", "Old spelling of --timeout", hidden=True),
)

STOP = Command(stop, NAMES, flags=_TIMEOUT, least=1, most=None)
RESTART = Command(restart, NAMES, flags=_TIMEOUT, least=1, most=None)
KILL = Command(
    kill,
    NAMES,
    flags=(Flag("signal", "s", "string", "Signal to send to the container"),),
    least=1,
    most=None,
)
PAUSE = Command(pause, "CONTAINER [CONTAINER...]", least=1, most=None)
UNPAUSE = Command(unpause, "CONTAINER [CONTAINER...]", least=1, most=None)
RM = Command(
    remove,
    NAMES,
    flags=(
        Flag("force", "f", "bool", "Force the removal of a running container (uses SIGKILL)"),
        Flag("link", "l", "bool", "Remove the specified link"),
        Flag("volumes", "v", "bool", "Remove anonymous volumes of the container"),
    ),
    least=1,
    most=None,
)
RENAME = Command(rename, "CONTAINER NEW_NAME", least=2, most=2)
WAIT = Command(wait, "CONTAINER [CONTAINER...]", least=1, most=None)
