"""From what there is and what is wanted to a list of actions with reasons. Pure.

    networks, volumes -> containers of each service, dependencies first -> starts

A container is recreated when its config hash, its image, its networks or its volumes aren't those
wanted any more, when the container whose namespace it shares is, or on demand. Containers of one
service beyond the wanted number are removed, outdated and high-numbered ones first. Services with
`depends_on: restart: true` are stopped before what they depend on is replaced, and started again.
Everything is created before anything is started: a mistake in the last service is found while the
first one still runs in its old form.
"""

import re
from enum import StrEnum

from sampan.compose.actions import Action, Kind, Plan, Subject, ids
from sampan.compose.differences import Difference
from sampan.compose.model import Project, Service
from sampan.compose.observe import Observed, ObservedContainer
from sampan.compose.ordering import dependencies, order, references
from sampan.compose.plan_resources import plan_resources
from sampan.compose.translate import container_name
from sampan.errors import InvalidArgument
from sampan.lib.records import Record, replace


class Recreate(StrEnum):
    DIVERGED = "diverged"
    FORCE = "force"
    NEVER = "never"


class NameTaken(InvalidArgument):
    def __init__(self, service: Service) -> None:
        super().__init__(
            f'WARNING: The "{service.name}" service is using the custom container name '
            f'"{service.container_name}". Docker requires each container to have a unique name. '
            "Remove the custom name to scale the service"
        )


class PlanOptions(Record, frozen=True, kw_only=True):
    """`selected`: services named by the user (empty: all); the others are dependencies.

    Containers of `untouched` services stay as they are, but networks and volumes are made for them.
    """

    selected: frozenset[str] = frozenset()
    untouched: frozenset[str] = frozenset()
    recreate: Recreate = Recreate.DIVERGED
    recreate_dependencies: Recreate = Recreate.DIVERGED
    remove_orphans: bool = False
    recreate_volumes: bool = False
    start: bool = True


def plan_up(project: Project, observed: Observed, options: PlanOptions) -> Plan:
    """Raises NameTaken, and what `plan_resources` raises."""
    resources = plan_resources(project, observed, recreate_volumes=options.recreate_volumes)
    orphans = find_orphans(project, observed)
    maker = _Maker(project, observed, options, resources.actions)
    for name in order(project.services):
        if name not in options.untouched:
            maker.add_service(project.services[name])
    maker.stop_dependents()
    actions: list[Action] = []
    if options.remove_orphans:
        actions += [_remove(container, "its service is gone") for container in orphans]
    actions += resources.actions
    actions += maker.actions
    if options.start:
        actions += maker.starts()
    left = () if options.remove_orphans else orphans
    return Plan(actions=tuple(actions), orphans=left, warnings=resources.warnings)


def find_orphans(project: Project, observed: Observed) -> tuple[ObservedContainer, ...]:
    """Containers of services that aren't in the files, and one-off ones that have ended."""
    known = project.all_services()
    return tuple(
        container
        for container in observed.containers
        if (
            container.state in {"exited", "dead"}
            if container.oneoff
            else container.service not in known
        )
    )


def _remove(container: ObservedContainer, reason: str) -> Action:
    return Action(
        kind=Kind.REMOVE,
        subject=Subject.CONTAINER,
        name=container.name,
        reason=reason,
        key=container.service,
        container=container,
    )


class _Maker:
    """Collects the actions of one plan, service by service in dependency order."""

    def __init__(
        self,
        project: Project,
        observed: Observed,
        options: PlanOptions,
        resources: tuple[Action, ...],
    ) -> None:
        self._project = project
        self._observed = observed
        self._options = options
        self._made: dict[str, list[Action]] = {}  # creations and replacements by service
        self._kept: dict[str, list[Action]] = {}
        self._resources = ids(resources)
        self._difference = Difference(project, observed, resources)
        self.actions: list[Action] = []

    def add_service(self, service: Service) -> None:
        wanted = service.replicas
        if wanted > 1 and service.container_name:
            raise NameTaken(service)
        existing = self._observed.of_service(service.name)
        reasons = {container.id: self._reason(service, container) for container in existing}
        existing.sort(key=lambda container: (bool(reasons[container.id]), container.number))
        scaled = f"the service is scaled to {wanted}"
        removals = [_remove(container, scaled) for container in existing[wanted:]]
        self.actions += removals
        for container in existing[:wanted]:
            self._add_existing(service, container, reasons[container.id], ids(removals))
        highest = max((container.number for container in existing), default=0)
        for number in range(highest + 1, highest + 1 + wanted - len(existing)):
            name = container_name(self._project, service, number)
            self._make(service, Kind.CREATE, name, "it doesn't exist", number=number)

    def _reason(self, service: Service, container: ObservedContainer) -> str:
        selected = self._options.selected
        policy = self._options.recreate
        if selected and service.name not in selected:
            policy = self._options.recreate_dependencies
        if policy is Recreate.NEVER:
            return ""
        if policy is Recreate.FORCE:
            return "recreation is forced"
        return self._difference.reason(service, container)

    def _add_existing(
        self,
        service: Service,
        container: ObservedContainer,
        reason: str,
        removals: frozenset[str],
    ) -> None:
        name = container_name(self._project, service, container.number)
        if reason:
            self._make(service, Kind.RECREATE, name, reason, container=container)
            return
        if _is_interim(container.name, name):
            reason = "a replacement was broken off"
            rename = self._act(Kind.RENAME, name, reason, container)
            # the one that it replaces may still be there, with the name
            self.actions[-1] = replace(rename, after=removals)
        kept = self._act(Kind.KEEP, name, f"it is up to date and {container.state}", container)
        self._kept.setdefault(service.name, []).append(kept)

    def _act(self, kind: Kind, name: str, reason: str, container: ObservedContainer) -> Action:
        action = Action(
            kind=kind,
            subject=Subject.CONTAINER,
            name=name,
            reason=reason,
            key=container.service,
            number=container.number,
            container=container,
        )
        self.actions.append(action)
        return action

    def _make(
        self,
        service: Service,
        kind: Kind,
        name: str,
        reason: str,
        *,
        number: int = 0,
        container: ObservedContainer | None = None,
    ) -> None:
        after = set(self._resources)
        for other in references(service):
            after |= ids(self._made.get(other, ()))
        action = Action(
            kind=kind,
            subject=Subject.CONTAINER,
            name=name,
            reason=reason,
            key=service.name,
            number=container.number if container else number,
            container=container,
            after=frozenset(after),
        )
        self.actions.append(action)
        self._made.setdefault(service.name, []).append(action)
        self._difference.replaced.add(service.name)

    def stop_dependents(self) -> None:
        """Before a container is replaced, those that want to be restarted with it are stopped."""
        replaced = {
            name
            for name, actions in self._made.items()
            if any(action.kind is Kind.RECREATE for action in actions)
        }
        stops: list[Action] = []
        for name, kept in self._kept.items():
            service = self._project.services[name]
            causes = [
                other
                for other, how in service.depends_on.items()
                if how.restart and other in replaced
            ]
            if not causes:
                continue
            for action in kept:
                if action.container is not None and action.container.running:
                    reason = f"it restarts with {causes[0]}"
                    stops.append(replace(action, kind=Kind.STOP, reason=reason))
        if not stops:
            return
        stopped = {stop.name for stop in stops}
        self.actions = [
            action
            for action in self.actions
            if not (action.kind is Kind.KEEP and action.name in stopped)
        ]
        before = ids(stops)
        self.actions = stops + [
            replace(action, after=action.after | before) if action.kind is Kind.RECREATE else action
            for action in self.actions
        ]

    def starts(self) -> list[Action]:
        """After everything is created: each service after those it depends on."""
        created = ids(action for action in self.actions if action.kind is not Kind.KEEP)
        by_service: dict[str, list[Action]] = {}
        for action in self.actions:
            if _needs_start(action):
                by_service.setdefault(action.key, []).append(action)
        found: dict[str, list[Action]] = {}
        for name in order(self._project.services):
            after = set(created)
            for other in dependencies(self._project.services[name]):
                after |= ids(found.get(other, ()))
            found[name] = [
                Action(
                    kind=Kind.START,
                    subject=Subject.CONTAINER,
                    name=action.name,
                    reason=self._why_start(action),
                    key=name,
                    number=action.number,
                    container=action.container,
                    after=frozenset(after),
                )
                for action in by_service.get(name, ())
            ]
        return [action for actions in found.values() for action in actions]

    def _why_start(self, action: Action) -> str:
        if action.kind in {Kind.CREATE, Kind.RECREATE}:
            return "it is new"
        if action.kind is Kind.STOP:
            return "it was stopped for its dependency"
        return f"it is {action.container.state}" if action.container else "it isn't running"


def _needs_start(action: Action) -> bool:
    if action.subject is not Subject.CONTAINER:
        return False
    if action.kind is Kind.KEEP:
        return action.container is not None and not action.container.running
    return action.kind in {Kind.CREATE, Kind.RECREATE, Kind.STOP}


def _is_interim(name: str, wanted: str) -> bool:
    """A replacement keeps such a name only when it was broken off at the very end."""
    return bool(re.fullmatch(rf"[0-9a-f]{{12}}_{re.escape(wanted)}", name))
