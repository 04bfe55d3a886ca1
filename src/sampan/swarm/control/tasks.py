"""Tasks: list and inspect. Nobody outside creates or changes them.

The hidden filter `_up-to-date` keeps those that the service's present spec needn't replace; the
progress display of `service create` and `update` lives from it.
"""

from collections.abc import Callable, Sequence

from sampan.swarm.control import views
from sampan.swarm.control.lookup import find
from sampan.swarm.control.nodes import BadFilter
from sampan.swarm.control.payloads import begins
from sampan.swarm.model import Network, Node, Service, Task
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Store
from sampan.swarm.store.tables import Tables
from sampan.wire.filters import Filters
from sampan.wire.swarm_views import TaskView

FILTERS = (
    "_up-to-date",
    "desired-state",
    "id",
    "label",
    "name",
    "node",
    "runtime",
    "service",
)
# `accepted` is what old clients ask for: everything that isn't to stop.
DESIRED = {
    "running": frozenset({TaskState.RUNNING}),
    "ready": frozenset({TaskState.READY}),
    "shutdown": frozenset({TaskState.SHUTDOWN, TaskState.COMPLETE, TaskState.REMOVE}),
    "accepted": frozenset({TaskState.ACCEPTED, TaskState.READY, TaskState.RUNNING}),
}

Test = Callable[[Task], bool]


class Tasks:
    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, filters: Filters) -> Sequence[TaskView]:
        """Raises NoSuch for services and nodes that aren't there."""
        filters.check_keys(FILTERS)
        tables = self._store.tables
        tests = [*_placing(tables, filters), *_stating(tables, filters)]
        return [
            _view(tables, task)
            for task in sorted(_candidates(tables, filters), key=lambda each: each.id)
            if all(test(task) for test in tests)
        ]

    def inspect(self, text: str) -> TaskView:
        return _view(self._store.tables, find(self._store.tables, Task, text))


def _view(tables: Tables, task: Task) -> TaskView:
    networks = {
        network.id: network
        for each in task.networks
        if (network := tables.find(Network, each.network_id)) is not None
    }
    return views.task_view(task, networks)


def _candidates(tables: Tables, filters: Filters) -> list[Task]:
    """No more than needed: a service's tasks, a node's, or all."""
    if "service" in filters:
        services = {find(tables, Service, text).id for text in filters.get("service")}
        return [task for service in services for task in tables.tasks_of(service)]
    if "node" in filters:
        nodes = {find(tables, Node, text).id for text in filters.get("node")}
        return [task for node in nodes for task in tables.tasks_on(node)]
    return tables.all(Task)


def _placing(tables: Tables, filters: Filters) -> list[Test]:
    tests: list[Test] = [
        lambda task: begins(filters, "id", task.id),
        lambda task: begins(filters, "name", task.name),
        lambda task: filters.match_labels(task.service_labels),
    ]
    if "node" in filters:
        nodes = {find(tables, Node, text).id for text in filters.get("node")}
        tests.append(lambda task: task.node_id in nodes)
    return tests


def _stating(tables: Tables, filters: Filters) -> list[Test]:
    runtimes = set(filters.get("runtime")) or {"container"}
    tests: list[Test] = [lambda task: _runtime(task) in runtimes]
    if "desired-state" in filters:
        wanted: set[TaskState] = set()
        for value in filters.get("desired-state"):
            if value not in DESIRED:
                raise BadFilter("desired-state", value)
            wanted |= DESIRED[value]
        tests.append(lambda task: task.desired_state in wanted)
    if "_up-to-date" in filters and filters.boolean("_up-to-date"):
        tests.append(lambda task: is_up_to_date(tables, task))
    return tests


def _runtime(task: Task) -> str:
    if task.spec.Runtime:
        return task.spec.Runtime
    return "container" if task.spec.ContainerSpec is not None else "attachment"


def is_up_to_date(tables: Tables, task: Task) -> bool:
    """Whether its service's present spec is the one that it was made of, or asks for the same."""
    service = tables.find(Service, task.service_id)
    if service is None:
        return False
    if service.job is not None:
        return task.job_iteration == service.job.iteration
    if task.spec_version == service.spec_version:
        return True
    return task.spec == service.spec.TaskTemplate
