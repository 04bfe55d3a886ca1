"""`top` and `wait`."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.cli.output import align
from sampan.compose.parallel import gather

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.observe import ObservedContainer

GAP = 2


def top(context: ComposeContext, _flags: Flags, names: list[str]) -> int:
    containers = [each for each in containers_of(context, names) if each.running]
    found = gather([_top(context, container) for container in containers])
    titles: list[str] = []
    for answer in found:
        titles += [title for title in answer["Titles"] if title not in titles]
    lines = [["SERVICE", "#", *titles]] if found else []
    for container, answer in zip(containers, found, strict=True):
        for process in answer["Processes"] or ():
            cells = dict(zip(answer["Titles"], process, strict=False))
            row = [container.service, str(container.number)]
            lines.append([*row, *(cells.get(title, "-") for title in titles)])
    context.cli.out(align(lines, least=0, gap=GAP) if lines else "\n")
    return 0


def _top(context: ComposeContext, container: ObservedContainer) -> Callable[[], dict[str, Any]]:
    return lambda: context.api.top(container.id)


def wait(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    """The exit status is that of the container that ended last."""
    containers = containers_of(context, names)
    if not containers:
        raise Exit(1, f'no containers for project "{context.project_name()}"')
    status = 0
    for container, code in zip(
        containers,
        gather([_wait(context, container) for container in containers]),
        strict=True,
    ):
        context.say(f'container "{container.id}" exited with status code {code}')
        status = code
    if flags.on("down-project"):
        from sampan.cli.commands.compose.down import DOWN
        from sampan.cli.flags import Flags

        return DOWN.run(context, Flags(DOWN.flags), []) or status
    return status


def _wait(context: ComposeContext, container: ObservedContainer) -> Callable[[], int]:
    return lambda: context.api.wait_container(container.id)


TOP = Verb(top, "[SERVICES...]", "Display the running processes")
WAIT = Verb(
    wait,
    "SERVICE [SERVICE...] [OPTIONS]",
    "Block until containers of all (or specified) services stop.",
    flags=(Flag("down-project", "", "bool", "Drops project when the first container stops"),),
    least=1,
)
