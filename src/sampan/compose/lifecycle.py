"""stop, start, restart, kill, pause, unpause and rm of containers that exist.

Stopping goes in reverse order of dependency, starting in order; independent services run side by
side. Without the project's files the order comes from the containers' own labels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sampan.compose.api import EngineApi
from sampan.compose.attributes import Hook
from sampan.compose.hooks import run_hooks, stop
from sampan.compose.labels import DEPENDENCIES, parse_dependencies
from sampan.compose.model import Project
from sampan.compose.observe import ObservedContainer
from sampan.compose.ordering import dependencies
from sampan.compose.parallel import UNLIMITED, Step, run_steps
from sampan.compose.progress import Progress, Reporter, container_subject
from sampan.errors import SampanError

Act = Callable[[ObservedContainer], None]


def dependency_map(
    project: Project | None, containers: Iterable[ObservedContainer]
) -> dict[str, set[str]]:
    """What each service depends on: as the files say, else as the labels do."""
    found: dict[str, set[str]] = {}
    for container in containers:
        text = container.labels.get(DEPENDENCIES, "")
        found.setdefault(container.service, set()).update(parse_dependencies(text))
    if project is not None:
        for name, service in project.all_services().items():
            found[name] = set(dependencies(service))
    return found


def in_order(
    containers: Sequence[ObservedContainer],
    needs: Mapping[str, set[str]],
    act: Act,
    *,
    reverse: bool = False,
    limit: int = UNLIMITED,
) -> None:
    """Calls `act` for each: those of a service after those it needs, or (`reverse`) before."""
    before: dict[str, set[str]] = {}
    for service, needed in needs.items():
        for other in needed:
            first, then = (service, other) if reverse else (other, service)
            if first != then:
                before.setdefault(then, set()).add(first)
    reached = _closure(before)
    by_service: dict[str, list[str]] = {}
    for container in containers:
        by_service.setdefault(container.service, []).append(container.id)
    steps = []
    for container in containers:
        after = {
            identity
            for service in reached.get(container.service, ())
            for identity in by_service.get(service, ())
        }
        steps.append(Step(container.id, _call(act, container), frozenset(after)))
    run_steps(steps, limit)


def _closure(direct: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Services between two may have no containers: the order holds over them."""
    found = {}
    for service in direct:
        seen: set[str] = set()
        pending = list(direct[service])
        while pending:
            other = pending.pop()
            if other not in seen and other != service:
                seen.add(other)
                pending += direct.get(other, ())
        found[service] = seen
    return found


def _call(act: Act, container: ObservedContainer) -> Callable[[], None]:
    return lambda: act(container)


class Lifecycle:
    """One verb on many containers, with progress."""

    def __init__(
        self,
        api: EngineApi,
        progress: Progress,
        project: Project | None,
        *,
        timeout_s: int | None = None,
    ) -> None:
        self._api = api
        self._progress = progress
        self._project = project
        self._timeout_s = timeout_s

    def _hooks(self, container: ObservedContainer, kind: str) -> Sequence[Hook]:
        if self._project is None:
            return ()
        service = self._project.all_services().get(container.service)
        hooks: Sequence[Hook] = getattr(service, kind) if service else ()
        return hooks

    def _do(self, container: ObservedContainer, words: tuple[str, str], act: Act) -> None:
        reporter = Reporter(self._progress, container_subject(container.name))
        reporter.working(words[0])
        try:
            act(container)
        except SampanError as error:
            reporter.failed(f"Error while {words[0]}", error.message)
            raise
        reporter.done(words[1])

    def stop(self, container: ObservedContainer) -> None:
        hooks = self._hooks(container, "pre_stop")
        self._do(
            container,
            ("Stopping", "Stopped"),
            lambda found: stop(self._api, found, hooks, self._timeout_s),
        )

    def start(self, container: ObservedContainer) -> None:
        def act(found: ObservedContainer) -> None:
            self._api.start_container(found.id)
            run_hooks(self._api, found.service, found.id, self._hooks(found, "post_start"))

        self._do(container, ("Starting", "Started"), act)

    def restart(self, container: ObservedContainer) -> None:
        def act(found: ObservedContainer) -> None:
            if found.running:
                run_hooks(self._api, found.service, found.id, self._hooks(found, "pre_stop"))
            self._api.restart_container(found.id, self._timeout_s)
            run_hooks(self._api, found.service, found.id, self._hooks(found, "post_start"))

        self._do(container, ("Restarting", "Started"), act)

    def kill(self, container: ObservedContainer, signal: str) -> None:
        self._do(
            container,
            ("Killing", "Killed"),
            lambda found: self._api.kill_container(found.id, signal),
        )

    def pause(self, container: ObservedContainer) -> None:
        act: Act = lambda found: self._api.pause_container(found.id)  # noqa: E731
        self._do(container, ("Pausing", "Paused"), act)

    def unpause(self, container: ObservedContainer) -> None:
        act: Act = lambda found: self._api.unpause_container(found.id)  # noqa: E731
        self._do(container, ("Unpausing", "Unpaused"), act)

    def remove(self, container: ObservedContainer, *, volumes: bool = False) -> None:
        self._do(
            container,
            ("Removing", "Removed"),
            lambda found: self._api.remove_container(found.id, volumes=volumes, force=True),
        )
