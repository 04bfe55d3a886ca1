"""`down`: what is removed, as a plan, and its execution.

Containers go in reverse order of dependency (stop, then remove), then networks, volumes and images
side by side. External networks and volumes are never touched. Something still used by others stays,
which is reported and no failure.
"""

from collections.abc import Callable, Mapping, Sequence

from sampan.client.errors import EngineError
from sampan.compose.actions import Action, Kind, Plan, Subject, ids
from sampan.compose.api import EngineApi
from sampan.compose.labels import PROJECT
from sampan.compose.lifecycle import Lifecycle, dependency_map, in_order
from sampan.compose.model import Project
from sampan.compose.observe import ObservedContainer, list_containers, network_of, volume_of
from sampan.compose.parallel import UNLIMITED, gather
from sampan.compose.progress import Progress, Reporter
from sampan.compose.translate import image_name
from sampan.lib.records import Record

CONFLICT = 409
FORBIDDEN = 403
ALL, LOCAL = "all", "local"


class DownOptions(Record, frozen=True, kw_only=True):
    """`images` is "", "local" (those without a name of their own) or "all"."""

    services: frozenset[str] = frozenset()
    volumes: bool = False
    images: str = ""
    remove_orphans: bool = False
    timeout_s: int | None = None
    parallel: int = UNLIMITED


class Present(Record, frozen=True, kw_only=True):
    """What there is to remove: networks and volumes by key or name, images by reference."""

    containers: tuple[ObservedContainer, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


def look(api: EngineApi, name: str, project: Project | None, options: DownOptions) -> Present:
    """Everything of the project `name`; without files, what carries its label."""
    label = [f"{PROJECT}={name}"]
    networks = [network_of(found) for found in api.list_networks(label)]
    volumes = [volume_of(found) for found in api.list_volumes(label)]
    external: set[str] = set()
    images: tuple[str, ...] = ()
    if project is not None:
        external = {network.name for network in project.networks.values() if network.external}
        external |= {volume.name for volume in project.volumes.values() if volume.external}
        images = _images(project, options)
    found = gather([lambda image=image: api.find_image(image) for image in images])  # type: ignore[misc]
    return Present(
        containers=list_containers(api, name, oneoff=True),
        networks=tuple(item.name for item in networks if item.name not in external),
        volumes=tuple(item.name for item in volumes if item.name not in external),
        images=tuple(name for name, there in zip(images, found, strict=True) if there),
    )


def _images(project: Project, options: DownOptions) -> tuple[str, ...]:
    services = project.services.values()
    if options.images == ALL:
        return tuple(dict.fromkeys(image_name(project, service) for service in services))
    if options.images == LOCAL:
        return tuple(image_name(project, service) for service in services if not service.image)
    return ()


def plan_down(project: Project | None, present: Present, options: DownOptions) -> Plan:
    """Pure. Without files every container goes; services whose profile is off stay."""
    known = None if project is None else project.all_services()
    chosen: list[ObservedContainer] = []
    orphans: list[ObservedContainer] = []
    for container in present.containers:
        if not _meant(project, container.service, options):
            continue
        gone = known is not None and container.service not in known
        (orphans if gone else chosen).append(container)
    if options.remove_orphans:
        chosen += orphans
    actions = [
        _action(Subject.CONTAINER, container.name, container=container) for container in chosen
    ]
    after = ids(actions)
    if not options.services:
        actions += [_action(Subject.NETWORK, name, after) for name in present.networks]
        if options.volumes:
            actions += [_action(Subject.VOLUME, name, after) for name in present.volumes]
        actions += [_action(Subject.IMAGE, name, after) for name in present.images]
    left = () if options.remove_orphans else tuple(orphans)
    return Plan(actions=tuple(actions), orphans=left)


def _meant(project: Project | None, service: str, options: DownOptions) -> bool:
    if options.services:
        return service in options.services
    return project is None or service not in project.disabled_services


def _action(
    subject: Subject,
    name: str,
    after: frozenset[str] = frozenset(),
    container: ObservedContainer | None = None,
) -> Action:
    return Action(
        kind=Kind.REMOVE,
        subject=subject,
        name=name,
        reason="the project goes down",
        container=container,
        after=after,
    )


class Down:
    """Carries a plan of removals out."""

    def __init__(
        self,
        api: EngineApi,
        progress: Progress,
        project: Project | None,
        options: DownOptions,
    ) -> None:
        self._api = api
        self._progress = progress
        self._project = project
        self._options = options
        self._verbs = Lifecycle(api, progress, project, timeout_s=options.timeout_s)

    def run(self, plan: Plan) -> None:
        """Raises the first failure."""
        containers = [action.container for action in plan.actions if action.container is not None]
        needs = dependency_map(self._project, containers)
        limit = self._options.parallel
        in_order(containers, needs, self._remove_container, reverse=True, limit=limit)
        removals: Mapping[Subject, tuple[str, Callable[[str], None]]] = {
            Subject.NETWORK: ("Network", self._api.remove_network),
            Subject.VOLUME: ("Volume", self._api.remove_volume),
            Subject.IMAGE: ("Image", self._api.remove_image),
        }
        rest: Sequence[Action] = [a for a in plan.actions if a.container is None]
        gather([self._removal(removals[a.subject], a.name) for a in rest], limit)

    def _remove_container(self, container: ObservedContainer) -> None:
        self._verbs.stop(container)
        self._verbs.remove(container, volumes=self._options.volumes)

    def _removal(self, how: tuple[str, Callable[[str], None]], name: str) -> Callable[[], None]:
        kind, remove = how

        def run() -> None:
            reporter = Reporter(self._progress, f"{kind} {name}")
            reporter.working("Removing")
            try:
                remove(name)
            except EngineError as error:
                if error.status == 404:
                    reporter.warning("Warning: No resource found to remove")
                    return
                if error.status not in {CONFLICT, FORBIDDEN}:
                    reporter.failed(detail=error.message)
                    raise
                reporter.warning("Resource is still in use")
                return
            reporter.done("Removed")

        return run
