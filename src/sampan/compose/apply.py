"""Carries a plan out: each action is a step, run as soon as those it comes after have ended.

A container is replaced so that nothing is lost on the way: the new one is created under an interim
name, the old one stopped and removed, the new one renamed. When stopping or removing the old one
fails, the new one is removed again. A replacement broken off by a crash is found by its labels: the
next plan keeps the newer container and renames it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from sampan.compose.actions import Action, Kind, Plan, Subject
from sampan.compose.api import EngineApi, Json
from sampan.compose.conditions import Waiting
from sampan.compose.containers import Containers
from sampan.compose.hooks import run_hooks, stop
from sampan.compose.injection import inject
from sampan.compose.model import Project, Service
from sampan.compose.observe import Observed, ObservedContainer
from sampan.compose.parallel import UNLIMITED, Step, run_steps
from sampan.compose.progress import Progress, Reporter, container_subject
from sampan.compose.references import hash_of, resolved
from sampan.compose.resources import network_body, volume_body
from sampan.compose.surroundings import Inherited, Surroundings
from sampan.compose.translate import create_body, image_name
from sampan.errors import SampanError
from sampan.lib.records import Record

T = TypeVar("T")


class ApplyOptions(Record, frozen=True, kw_only=True):
    """`stop_timeout_s` None: each container's own; `renew_volumes`: anonymous ones start empty."""

    stop_timeout_s: int | None = None
    wait_timeout_s: float = 0
    renew_volumes: bool = False
    parallel: int = UNLIMITED


class Apply:
    """One run of one plan (images are taken care of before, see `convergence`)."""

    def __init__(
        self,
        api: EngineApi,
        project: Project,
        observed: Observed,
        progress: Progress,
        options: ApplyOptions,
    ) -> None:
        self._api = api
        self._project = project
        self._observed = observed
        self._progress = progress
        self._options = options
        self._waiting = Waiting(api, progress, options.wait_timeout_s)
        self._gone: set[str] = set()
        self.containers = Containers(observed)
        self.warnings: list[str] = []

    def progress_to(self, progress: Progress) -> None:
        """Reports go there from now on."""
        self._progress = progress
        self._waiting = Waiting(self._api, progress, self._options.wait_timeout_s)

    def run(self, plan: Plan) -> None:
        """Raises the first failure after what had begun has ended."""
        steps = [self._step(action) for action in plan.actions]
        run_steps(self._with_waits(plan, steps), self._options.parallel)

    def _step(self, action: Action) -> Step:
        act = _ACTS[action.subject, action.kind]
        return Step(action.id, lambda: act(self, action), action.after)

    def _with_waits(self, plan: Plan, steps: list[Step]) -> list[Step]:
        """Before the starts of a service stands one step that waits for its dependencies."""
        starts = {action.id: action for action in plan.actions if action.kind is Kind.START}
        waits: dict[str, Step] = {}
        found = []
        for step in steps:
            action = starts.get(step.name)
            if action is None:
                found.append(step)
                continue
            service = self._project.services[action.key]
            name = f"wait for dependencies of {service.name}"
            if name not in waits:
                waits[name] = Step(name, self._dependencies_wait(service), step.after)
            found.append(Step(step.name, step.run, step.after | {name}))
        return [*waits.values(), *found]

    def _dependencies_wait(self, service: Service) -> "_Wait":
        return _Wait(self, service)

    def wait_for_dependencies(self, service: Service) -> None:
        wanted = {
            name: how
            for name, how in service.depends_on.items()
            if how.required or name in self._project.services
        }
        self._waiting.dependencies(service.name, wanted, self.containers.members())

    # Networks and volumes

    def create_network(self, action: Action) -> None:
        reporter = Reporter(self._progress, f"Network {action.name}")
        reporter.working("Creating")
        network = self._project.networks[action.key]
        self._reporting(
            reporter,
            lambda: self._api.create_network(network_body(self._project, action.key, network)),
        )
        reporter.done("Created")

    def recreate_network(self, action: Action) -> None:
        """Containers leave it first; those of the project are recreated afterwards."""
        found = self._observed.networks[action.name]
        for container in self._observed.containers:
            if container.id in found.containers and container.running:
                self._stop(container)
        for identity in found.containers:
            self._api.disconnect(found.id, identity)
        self._api.remove_network(found.id)
        self.create_network(action)

    def create_volume(self, action: Action) -> None:
        reporter = Reporter(self._progress, f"Volume {action.name}")
        reporter.working("Creating")
        volume = self._project.volumes[action.key]
        self._reporting(
            reporter,
            lambda: self._api.create_volume(volume_body(self._project, action.key, volume)),
        )
        reporter.done("Created")

    def recreate_volume(self, action: Action) -> None:
        """Its content goes, so do the project's containers that mount it."""
        for container in self._observed.containers:
            if action.name in container.volumes and container.id not in self._gone:
                self._remove(container)
        self._api.remove_volume(action.name)
        self.create_volume(action)

    # Containers

    def create_container(self, action: Action) -> None:
        reporter = Reporter(self._progress, container_subject(action.name))
        reporter.working("Creating")
        self._create(reporter, action, action.name, action.number)
        reporter.done("Created")

    def recreate_container(self, action: Action) -> None:
        old = action.container
        assert old is not None
        if old.id in self._gone:
            self._recreate_gone(action, old)
            return
        reporter = Reporter(self._progress, container_subject(action.name))
        reporter.working("Recreate")
        interim = f"{old.id[:12]}_{action.name}"
        new = self._create(reporter, action, interim, old.number, replaced=old)
        try:
            hooks = self._project.services[action.key].pre_stop
            stop(self._api, old, hooks, self._options.stop_timeout_s)
            self._api.remove_container(old.id)
        except SampanError as error:
            reporter.failed(detail=error.message)
            with suppress(SampanError):
                self._api.remove_container(new, force=True)
            self.containers.drop(action.key, new)
            raise
        self.containers.drop(action.key, old.id)
        self._api.rename_container(new, action.name)
        self.containers.put(action.key, new, action.name)
        reporter.done("Recreated")

    def _recreate_gone(self, action: Action, old: ObservedContainer) -> None:
        reporter = Reporter(self._progress, container_subject(action.name))
        reporter.working("Creating")
        self._create(reporter, action, action.name, old.number)
        reporter.done("Created")

    def _create(
        self,
        reporter: Reporter,
        action: Action,
        name: str,
        number: int,
        *,
        replaced: ObservedContainer | None = None,
    ) -> str:
        service = self._project.services[action.key]
        body = self._reporting(reporter, lambda: self._body(service, action, number, replaced))
        answer = self._reporting(
            reporter, lambda: self._api.create_container(name, service.platform, body)
        )
        self.warnings.extend(answer.get("Warnings") or ())
        self.containers.put(service.name, answer["Id"], name)
        return str(answer["Id"])

    def _body(
        self, service: Service, action: Action, number: int, replaced: ObservedContainer | None
    ) -> Json:
        known = resolved(service, self.containers.ids())
        image = self._observed.images.get(image_name(self._project, service))
        image_volumes = image.volumes if image else frozenset()
        around = Surroundings(
            number=number,
            name=action.name,
            config_hash=hash_of(known),
            image=image.id if image else "",
            image_volumes=image_volumes,
            inherited=self._inherited(service, image_volumes, replaced),
            links=self.containers.names(),
            replaces=f"{service.name}-{number}" if replaced else "",
        )
        return create_body(self._project, known, around)

    def _inherited(
        self,
        service: Service,
        image_volumes: frozenset[str],
        replaced: ObservedContainer | None,
    ) -> Sequence[Inherited]:
        anonymous = any(v.type == "volume" and not v.source for v in service.volumes)
        if replaced is None or self._options.renew_volumes or not (anonymous or image_volumes):
            return ()
        mounts = self._api.inspect_container(replaced.id).get("Mounts") or ()
        return [
            Inherited(
                target=mount["Destination"],
                type=mount["Type"],
                source=str(mount.get("Name") or mount.get("Source") or ""),
                read_only=not mount.get("RW", True),
            )
            for mount in mounts
            if mount["Type"] == "volume"
        ]

    def start_container(self, action: Action) -> None:
        service = self._project.services[action.key]
        container = self.containers.find(action.key, action.name)
        reporter = Reporter(self._progress, container_subject(action.name))
        reporter.working("Starting")

        def start() -> None:
            inject(self._api, self._project, service, container)
            self._api.start_container(container)
            run_hooks(self._api, service.name, container, service.post_start)

        self._reporting(reporter, start)
        reporter.done("Started")

    def stop_container(self, action: Action) -> None:
        assert action.container is not None
        self._stop(action.container)

    def _stop(self, container: ObservedContainer) -> None:
        reporter = Reporter(self._progress, container_subject(container.name))
        reporter.working("Stopping")
        service = self._project.services.get(container.service)
        hooks = service.pre_stop if service else ()
        timeout_s = self._options.stop_timeout_s
        self._reporting(reporter, lambda: stop(self._api, container, hooks, timeout_s))
        reporter.done("Stopped")

    def remove_container(self, action: Action) -> None:
        assert action.container is not None
        self._remove(action.container)

    def _remove(self, container: ObservedContainer) -> None:
        self._stop(container)
        reporter = Reporter(self._progress, container_subject(container.name))
        reporter.working("Removing")
        self._reporting(reporter, lambda: self._api.remove_container(container.id, force=True))
        reporter.done("Removed")
        self._gone.add(container.id)
        self.containers.drop(container.service, container.id)

    def rename_container(self, action: Action) -> None:
        assert action.container is not None
        self._api.rename_container(action.container.id, action.name)
        self.containers.put(action.key, action.container.id, action.name)

    def keep_container(self, action: Action) -> None:
        if action.container is not None and action.container.running:
            Reporter(self._progress, container_subject(action.name)).done("Running")

    @staticmethod
    def _reporting(reporter: Reporter, act: Callable[[], T]) -> T:
        """Runs it; a failure is reported before it is raised."""
        try:
            return act()
        except SampanError as error:
            reporter.failed(detail=error.message)
            raise


class _Wait:
    """The step that waits for one service's dependencies."""

    def __init__(self, apply: Apply, service: Service) -> None:
        self._apply = apply
        self._service = service

    def __call__(self) -> None:
        self._apply.wait_for_dependencies(self._service)


_ACTS = {
    (Subject.NETWORK, Kind.CREATE): Apply.create_network,
    (Subject.NETWORK, Kind.RECREATE): Apply.recreate_network,
    (Subject.VOLUME, Kind.CREATE): Apply.create_volume,
    (Subject.VOLUME, Kind.RECREATE): Apply.recreate_volume,
    (Subject.CONTAINER, Kind.CREATE): Apply.create_container,
    (Subject.CONTAINER, Kind.RECREATE): Apply.recreate_container,
    (Subject.CONTAINER, Kind.START): Apply.start_container,
    (Subject.CONTAINER, Kind.STOP): Apply.stop_container,
    (Subject.CONTAINER, Kind.REMOVE): Apply.remove_container,
    (Subject.CONTAINER, Kind.RENAME): Apply.rename_container,
    (Subject.CONTAINER, Kind.KEEP): Apply.keep_container,
}
