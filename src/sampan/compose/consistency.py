"""Whether the parts of a project fit together: references, contradictions, cycles.

Works on the model; raises BadKey for the first fault, services in the order of their names.
"""

from collections.abc import Iterator

from sampan.compose.failures import BadKey
from sampan.compose.model import Project, Service

_TESTS = {"CMD", "CMD-SHELL", "NONE"}
_WITHOUT_TARGET = {"rebuild", "restart"}
_INVALID = "invalid compose project"


def check_project(project: Project) -> None:
    for name in sorted(project.services):
        service = project.services[name]
        for key, problem in _faults(project, service):
            raise BadKey(("services", name, *key.split(".")), problem, whole=True)
    for name, secret in project.secrets.items():
        if not (secret.external or secret.file or secret.environment):
            problem = f'secret "{name}" must declare either `file` or `environment`: {_INVALID}'
            raise BadKey(("secrets", name), problem, whole=True)
    check_cycles(project)


def _faults(project: Project, service: Service) -> Iterator[tuple[str, str]]:
    name = service.name
    if service.build is None and not service.image and service.provider is None:
        yield (
            "image",
            f'service "{name}" has neither an image nor a build context specified: {_INVALID}',
        )
    yield from _build_faults(project, service)
    if service.network_mode and service.networks:
        yield (
            "network_mode",
            f"service {name} declares mutually exclusive `network_mode` and `networks`: {_INVALID}",
        )
    yield from _reference_faults(project, service)
    yield from _limit_faults(service)
    yield from _count_faults(service)
    test = service.healthcheck.test if service.healthcheck else ()
    if test and test[0] not in _TESTS:
        yield (
            "healthcheck.test",
            'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"',
        )
    for rule in service.develop.watch if service.develop else ():
        if not rule.target and rule.action not in _WITHOUT_TARGET:
            yield (
                "develop.watch",
                (
                    f"services.{name}.develop.watch: target is required for non-rebuild actions: "
                    f"{_INVALID}"
                ),
            )
    yield from _mount_faults(service)


def _build_faults(project: Project, service: Service) -> Iterator[tuple[str, str]]:
    build = service.build
    if build is None:
        return
    if build.dockerfile_inline and build.dockerfile:
        yield (
            "build.dockerfile",
            (
                f'service "{service.name}" declares mutualy exclusive dockerfile and '
                f"dockerfile_inline: {_INVALID}"
            ),
        )
    for context, place in build.additional_contexts.items():
        target = place.removeprefix("service:")
        if target == place:
            continue
        known = project.services.get(target)
        if known is None or known.build is None:
            kind = "unknown" if known is None else "non-buildable"
            yield (
                "build.additional_contexts",
                (
                    f'service "{service.name}" declares {kind} service "{target}" as additional '
                    f"contexts {context}"
                ),
            )
    if build.platforms and service.platform and service.platform not in build.platforms:
        yield (
            "build.platforms",
            (
                f'service.build.platforms MUST include service.platform "{service.platform}": '
                f"{_INVALID}"
            ),
        )
    for secret in build.secrets:
        if secret.source not in project.secrets:
            yield (
                "build.secrets",
                (
                    f'service "{service.name}" refers to undefined build secret {secret.source}: '
                    f"{_INVALID}"
                ),
            )


def _reference_faults(project: Project, service: Service) -> Iterator[tuple[str, str]]:
    name = service.name
    for other, dependency in service.depends_on.items():
        if other in project.services:
            continue
        if other in project.disabled_services:
            if dependency.required:
                profiles = " ".join(project.disabled_services[other].profiles)
                yield (
                    "depends_on",
                    (
                        f'service "{other}" is required by "{name}" but is disabled. '
                        f"Can be enabled by profiles [{profiles}]"
                    ),
                )
            continue
        yield (
            "depends_on",
            f'service "{name}" depends on undefined service "{other}": {_INVALID}',
        )
    shared = service.network_mode.removeprefix("service:")
    if shared != service.network_mode and shared not in project.services:
        yield (
            "network_mode",
            f"service \"{shared}\" not found for network_mode 'service:{shared}'",
        )
    named = [mount.source for mount in service.volumes if mount.type == "volume" and mount.source]
    for kind, used, known in (
        ("network", service.networks, project.networks),
        ("volume", named, project.volumes),
        ("config", [each.source for each in service.configs], project.configs),
        ("model", service.models, project.models),
        ("secret", [each.source for each in service.secrets], project.secrets),
    ):
        for key in used:
            if key not in known:
                yield (
                    f"{kind}s",
                    f'service "{name}" refers to undefined {kind} {key}: {_INVALID}',
                )


def _limit_faults(service: Service) -> Iterator[tuple[str, str]]:
    """The old spelling and `deploy`'s may both be there, with one value."""
    if service.deploy is None:
        return
    limits = service.deploy.resources.limits
    reservations = service.deploy.resources.reservations
    for key, old, deep, there in (
        ("cpus", service.cpus, "limits.cpus", limits and limits.cpus),
        ("mem_limit", service.mem_limit, "limits.memory", limits and limits.memory),
        (
            "mem_reservation",
            service.mem_reservation,
            "reservations.memory",
            reservations and reservations.memory,
        ),
        ("pids_limit", service.pids_limit, "limits.pids", limits and limits.pids),
    ):
        if old and there is not None and there != old:
            yield (
                key,
                (
                    f"services.{service.name}: can't set distinct values on '{key}' and "
                    f"'deploy.resources.{deep}': {_INVALID}"
                ),
            )


def _count_faults(service: Service) -> Iterator[tuple[str, str]]:
    name = service.name
    replicas = service.deploy.replicas if service.deploy else None
    if service.scale is not None and replicas is not None and service.scale != replicas:
        yield (
            "scale",
            (
                f"services.{name}: can't set distinct values on 'scale' and 'deploy.replicas': "
                f"{_INVALID}"
            ),
        )
    for key, count in (("scale", service.scale), ("deploy.replicas", replicas)):
        if count is not None and count < 0:
            yield key, f"services.{name}.{key}: must be greater than or equal to 0"
    if service.replicas > 1 and service.container_name:
        key = "deploy.replicas" if service.scale is None else "scale"
        yield (
            key,
            (
                f"services.{key}: can't set container_name and {name} as container name must be "
                f"unique: {_INVALID}"
            ),
        )


def _mount_faults(service: Service) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    places = [("tmpfs", i, entry.partition(":")[0]) for i, entry in enumerate(service.tmpfs)]
    places += [("volumes", i, mount.target) for i, mount in enumerate(service.volumes)]
    for key, index, target in places:
        where = f"services.{service.name}.{key}[{index}]"
        if target in seen:
            yield f"{key}.{index}", f"{where}: target {target} already mounted as {seen[target]}"
        seen[target] = where


def check_cycles(project: Project) -> None:
    """Raises BadKey naming the services of the first dependency cycle."""
    done: set[str] = set()
    for start in sorted(project.services):
        trail: list[str] = []
        _walk(project, start, trail, done)


def _walk(project: Project, name: str, trail: list[str], done: set[str]) -> None:
    if name in trail:
        circle = " -> ".join([*trail[trail.index(name) :], name])
        path = ("services", trail[-1], "depends_on")
        raise BadKey(path, f"dependency cycle detected: {circle}", whole=True)
    if name in done or name not in project.services:
        return
    trail.append(name)
    for other in sorted(project.services[name].depends_on):
        _walk(project, other, trail, done)
    trail.pop()
    done.add(name)


def check_names(project: Project) -> None:
    """No two services may insist on one container name."""
    seen: dict[str, str] = {}
    for name in sorted(project.services):
        wanted = project.services[name].container_name
        if wanted and wanted in seen:
            problem = (
                f'services.{name}: container name "{wanted}" is already in use by service '
                f"{seen[wanted]}"
            )
            raise BadKey(("services", name, "container_name"), problem, whole=True)
        seen[wanted] = name
