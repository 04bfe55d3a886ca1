"""Parts of a project: active profiles, named services with what they need, resources in use.

All pure: each returns a changed project.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from sampan.compose.model import Project, Service
from sampan.errors import NotFound
from sampan.lib.records import replace


class NoSuchService(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no such service: {name}")


def with_profiles(project: Project, profiles: Iterable[str]) -> Project:
    """Services without profiles, and those with one of these (`*`: all), are enabled."""
    active = tuple(profiles)

    def on(service: Service) -> bool:
        return not service.profiles or "*" in active or bool(set(active) & set(service.profiles))

    every = project.all_services()
    return replace(
        project,
        services={name: service for name, service in every.items() if on(service)},
        disabled_services={name: service for name, service in every.items() if not on(service)},
        profiles=active,
    )


def with_services_enabled(project: Project, names: Sequence[str]) -> Project:
    """Naming a service turns its profiles on."""
    more = [
        profile
        for name in names
        if name not in project.services and name in project.disabled_services
        for profile in project.disabled_services[name].profiles
    ]
    return with_profiles(project, (*project.profiles, *more)) if names else project


def with_selected_services(
    project: Project, names: Sequence[str], *, dependencies: bool = True
) -> Project:
    """Only the named services (patterns allowed) and what they depend on; the rest is disabled.

    Raises NoSuchService.
    """
    if not names:
        return project
    chosen: set[str] = set()
    for name in names:
        matching = [each for each in project.services if fnmatchcase(each, name)]
        if not matching:
            raise NoSuchService(name)
        for each in matching:
            _collect(project, each, chosen, dependencies=dependencies)
    enabled = {}
    for name, service in project.services.items():
        if name in chosen:
            needed = {other: how for other, how in service.depends_on.items() if other in chosen}
            enabled[name] = replace(service, depends_on=needed)
    rest = {name: each for name, each in project.services.items() if name not in chosen}
    return replace(
        project, services=enabled, disabled_services={**project.disabled_services, **rest}
    )


def _collect(project: Project, name: str, chosen: set[str], *, dependencies: bool) -> None:
    if name in chosen:
        return
    chosen.add(name)
    for other, how in project.services[name].depends_on.items() if dependencies else ():
        if other in project.services:
            _collect(project, other, chosen, dependencies=True)
        elif how.required:
            raise NoSuchService(other)


def without_unused_resources(project: Project) -> Project:
    """Only networks, volumes, secrets, configs and models that an enabled service refers to."""
    services = project.services.values()
    volumes = {
        mount.source
        for service in services
        for mount in service.volumes
        if mount.type == "volume" and mount.source
    }
    secrets = {each.source for service in services for each in service.secrets}
    secrets |= {
        each.source for service in services if service.build for each in service.build.secrets
    }
    configs = {each.source for service in services for each in service.configs}
    networks = {key for service in services for key in service.networks}
    models = {key for service in services for key in service.models}
    return replace(
        project,
        networks={key: each for key, each in project.networks.items() if key in networks},
        volumes={key: each for key, each in project.volumes.items() if key in volumes},
        secrets={key: each for key, each in project.secrets.items() if key in secrets},
        configs={key: each for key, each in project.configs.items() if key in configs},
        models={key: each for key, each in project.models.items() if key in models},
    )
