"""Finding the containers that a verb is about."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.compose.observe import list_containers
from sampan.compose.selection import NoSuchService

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.compose.observe import ObservedContainer


def check_services(context: ComposeContext, names: Sequence[str]) -> None:
    """Raises NoSuchService for one that isn't in the files."""
    project = context.project_if_any()
    if project is None:
        return
    known = project.all_services()
    for name in names:
        if name not in known:
            raise NoSuchService(name)


def containers_of(
    context: ComposeContext,
    names: Sequence[str] = (),
    *,
    all_states: bool = True,
    oneoff: bool = False,
) -> list[ObservedContainer]:
    """The project's containers, or those of the services named. Raises NoSuchService."""
    check_services(context, names)
    project = context.project_if_any()
    found = list_containers(
        context.api, context.project_name(), oneoff=oneoff, all_states=all_states
    )
    if names:
        return [container for container in found if container.service in names]
    if project is None:
        return list(found)
    return [container for container in found if container.service in project.services]


def one_container(context: ComposeContext, service: str, index: int) -> ObservedContainer:
    """The service's container of that number, or its first. Raises Exit."""
    found = list_containers(context.api, context.project_name(), all_states=False)
    mine = [container for container in found if container.service == service]
    if index:
        mine = [container for container in mine if container.number == index]
        if not mine:
            raise Exit(1, f'service "{service}" is not running container #{index}')
    if not mine:
        raise Exit(1, f'service "{service}" is not running')
    return min(mine, key=lambda container: container.number)
