"""What services need of each other, and the order that follows. Pure.

`order` sorts services so that each comes after those it depends on, `references` names those whose
containers must exist before, because a namespace, a link or volumes refer to them.
"""

from collections.abc import Mapping, Sequence

from sampan.compose.model import Project, Service
from sampan.compose.selection import NoSuchService
from sampan.errors import InvalidArgument
from sampan.lib.records import replace

SERVICE_MODE = "service:"


class DependencyCycle(InvalidArgument):
    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(f"dependency cycle detected: {' -> '.join(path)}")


def references(service: Service) -> list[str]:
    """Services whose containers must exist before this one can be created."""
    found = [
        mode.removeprefix(SERVICE_MODE)
        for mode in (service.network_mode, service.ipc, service.pid)
        if mode.startswith(SERVICE_MODE)
    ]
    found += [link.partition(":")[0] for link in service.links]
    found += [
        entry.partition(":")[0]
        for entry in service.volumes_from
        if not entry.startswith("container:")
    ]
    return list(dict.fromkeys(found))


def dependencies(service: Service) -> list[str]:
    return list(dict.fromkeys([*service.depends_on, *references(service)]))


def order(services: Mapping[str, Service]) -> list[str]:
    """Names, dependencies first. Raises DependencyCycle."""
    done: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done or name not in services:
            return
        if name in path:
            raise DependencyCycle([*path[path.index(name) :], name])
        path.append(name)
        for needed in dependencies(services[name]):
            visit(needed)
        path.pop()
        done.append(name)

    for name in services:
        visit(name)
    return done


def scaled(project: Project, counts: Mapping[str, int]) -> Project:
    """With so many containers of each service named. Raises NoSuchService."""
    services = dict(project.services)
    for name, count in counts.items():
        if name not in services:
            raise NoSuchService(name)
        services[name] = replace(services[name], scale=count)
    return replace(project, services=services)
