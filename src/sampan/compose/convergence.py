"""`up` and `create` as a whole: observe, images, plan, apply.

Images come first, in a plan of their own, because what they turn out to be decides over containers.
A dry run does the same without applying: its plan of containers takes images as they are now.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sampan.compose.actions import Action, Kind, Plan
from sampan.compose.api import EngineApi
from sampan.compose.apply import Apply, ApplyOptions
from sampan.compose.conditions import COMPLETED, RUNNING_OR_HEALTHY, Member, Waiting
from sampan.compose.model import Project, Service
from sampan.compose.observe import Observed, observe, observe_images
from sampan.compose.parallel import gather
from sampan.compose.plan import PlanOptions, plan_up
from sampan.compose.plan_images import ImageChoice, plan_images
from sampan.compose.progress import Progress
from sampan.compose.translate import check, image_name
from sampan.errors import SampanError
from sampan.lib.records import Record, replace


class Images(Protocol):
    """How images come here; used by one thread for builds, by many for pulls."""

    def pull(self, service: Service, reference: str) -> None:
        """Raises SampanError."""
        ...

    def build(self, services: Sequence[Service]) -> None:
        """Builds all, in their order. Raises SampanError."""
        ...


class Wanted(Record, frozen=True, kw_only=True):
    """All choices of one `up`."""

    images: ImageChoice = ImageChoice()
    plan: PlanOptions = PlanOptions()
    apply: ApplyOptions = ApplyOptions()


class Foreseen(Record, frozen=True):
    """What a dry run shows: image actions and the plan."""

    images: tuple[Action, ...]
    plan: Plan


class Convergence:
    """Brings a project to the wanted state."""

    def __init__(
        self, api: EngineApi, project: Project, progress: Progress, images: Images, wanted: Wanted
    ) -> None:
        self._api = api
        self._project = project
        self._progress = progress
        self._images = images
        self._wanted = wanted

    def _observe(self) -> Observed:
        for service in self._project.services.values():
            check(service)
        references = [
            image_name(self._project, service) for service in self._project.services.values()
        ]
        return observe(self._api, self._project, references)

    def _choice(self) -> ImageChoice:
        return replace(self._wanted.images, now_s=time.time())

    def foresee(self) -> Foreseen:
        """Changes nothing."""
        observed = self._observe()
        images = plan_images(self._project, observed.images, self._choice())
        return Foreseen(tuple(images), plan_up(self._project, observed, self._wanted.plan))

    def plan(self) -> tuple[Observed, Plan]:
        """Gets the images and plans the rest."""
        observed = self._observe()
        actions = plan_images(self._project, observed.images, self._choice())
        if actions:
            self._prepare(actions)
            known = observe_images(self._api, [action.name for action in actions])
            observed = replace(observed, images={**observed.images, **known})
        return observed, plan_up(self._project, observed, self._wanted.plan)

    def _prepare(self, actions: Sequence[Action]) -> None:
        pulls = [action for action in actions if action.kind is Kind.PULL]
        failed: set[str] = set()

        def pull(action: Action) -> None:
            try:
                self._images.pull(self._project.services[action.key], action.name)
            except SampanError:
                if not action.optional:
                    raise
                failed.add(action.name)

        if pulls:
            gather([_bound(pull, action) for action in pulls], self._wanted.apply.parallel)
        builds = [
            self._project.services[action.key]
            for action in actions
            if action.kind is Kind.BUILD and (not action.optional or action.name in failed)
        ]
        if builds:
            self._images.build(builds)

    def applying(self, observed: Observed) -> Apply:
        """What carries the plan out; its `containers` tell what there is then."""
        return Apply(self._api, self._project, observed, self._progress, self._wanted.apply)


def _bound(act: Callable[[Action], None], action: Action) -> Callable[[], None]:
    return lambda: act(action)


def wait_running(
    api: EngineApi,
    project: Project,
    progress: Progress,
    members: dict[str, list[Member]],
    timeout_s: float,
) -> None:
    """`--wait`: every service running or healthy; those that others want completed, completed."""
    waiting = Waiting(api, progress, timeout_s)
    gather(
        [
            _waiter(waiting, members.get(name, []), final_condition(project, name))
            for name in project.services
        ]
    )


def final_condition(project: Project, name: str) -> str:
    for service in project.services.values():
        how = service.depends_on.get(name)
        if how is not None and how.condition == COMPLETED:
            return COMPLETED
    return RUNNING_OR_HEALTHY


def _waiter(waiting: Waiting, members: Sequence[Member], condition: str) -> Callable[[], None]:
    return lambda: waiting.until(members, condition)
