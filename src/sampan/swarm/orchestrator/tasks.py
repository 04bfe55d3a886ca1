"""Making tasks, and looking at them: what orchestrators share.

A slot is the list of tasks at one place that are wanted to run. It has one task, or two while an
update starts the new before the old one stops. Nothing here writes.
"""

from collections.abc import Callable, Iterable

import msgspec

from sampan.swarm.model import Endpoint, Node, Service, Task, TaskStatus, new_id
from sampan.swarm.orchestrator.policies import (
    endpoint_mode,
    is_job,
    placement_of,
    ports_of,
    protocol_of,
)
from sampan.swarm.scheduler import constraints
from sampan.swarm.states import NodeState, TaskState, has_ended
from sampan.swarm.store.interface import Action, Change, Event, Update
from sampan.wire.services import PlacementRules, PortConfig, ServiceSpec, TaskSpec

DRAIN = "drain"
PAUSE = "pause"

Slot = list[Task]
FindNode = Callable[[str], Node | None]


def new_task(
    service: Service,
    now_ns: int,
    *,
    slot: int = 0,
    node_id: str = "",
    desired: TaskState = TaskState.RUNNING,
) -> Task:
    """A task that doesn't exist yet, by the service's present spec."""
    return Task(
        id=new_id(),
        spec=service.spec.TaskTemplate,
        spec_version=service.spec_version,
        service_id=service.id,
        service_name=service.spec.Name,
        service_labels=service.spec.Labels or {},
        slot=slot,
        node_id=node_id,
        status=TaskStatus(state=TaskState.NEW, timestamp_ns=now_ns, message="created"),
        desired_state=desired,
        job_iteration=iteration_of(service) if is_job(service) else None,
    )


def iteration_of(service: Service) -> int:
    return service.job.iteration if service.job else 0


def is_wanted(task: Task) -> bool:
    """It shall run, or complete."""
    return task.desired_state <= TaskState.COMPLETE


def is_on_node(task: Task) -> bool:
    """Something of it may be there: it has been assigned, and hasn't ended."""
    return TaskState.ASSIGNED <= task.status.state <= TaskState.RUNNING


def desire(task: Task, state: TaskState) -> list[Change]:
    """Nothing when it is as far already: desired states only grow."""
    if task.desired_state >= state:
        return []
    return [Update(msgspec.structs.replace(task, desired_state=state))]


def is_invalid(node: Node | None) -> bool:
    """Its tasks have to go elsewhere."""
    return node is None or node.status.state == NodeState.DOWN or node.spec.Availability == DRAIN


def may_run_there(spec: TaskSpec, node: Node) -> bool:
    """As far as the service's placement rules go: constraints and platforms."""
    rules = placement_of(spec)
    return constraints.node_matches(rules.Constraints or (), node) and (
        constraints.runs_platform(rules.Platforms or (), node)
    )


def matters_to_placement(event: Event) -> bool:
    """Of a node's event: whether it may change which tasks may be there."""
    old, new = event.old, event.item
    if not isinstance(new, Node) or not isinstance(old, Node) or event.action != Action.UPDATED:
        return True
    return (
        old.spec != new.spec
        or old.role != new.role
        or (old.status.state, old.status.addr) != (new.status.state, new.status.addr)
        or old.description != new.description
    )


def by_age(tasks: Iterable[Task]) -> list[Task]:
    """Oldest first."""
    return sorted(tasks, key=lambda task: (task.created_ns, task.version, task.id))


def is_dirty(service: Service, task: Task, find_node: FindNode) -> bool:
    """Whether the task has to be replaced to be what the service asks for now."""
    if service.spec_version and task.spec_version == service.spec_version:
        return False
    wanted = service.spec.TaskTemplate
    if wanted != task.spec and not _differs_in_met_rules(wanted, task, find_node):
        return True
    return task.endpoint is not None and not _is_endpoint_of(service.spec, task.endpoint)


def is_slot_dirty(service: Service, slot: Slot, find_node: FindNode) -> bool:
    return len(slot) > 1 or (len(slot) == 1 and is_dirty(service, slot[0], find_node))


def _differs_in_met_rules(wanted: TaskSpec, task: Task, find_node: FindNode) -> bool:
    """Only constraints have changed, and the task's node meets the new ones."""
    node = find_node(task.node_id)
    if node is None or _without_constraints(wanted) != _without_constraints(task.spec):
        return False
    return may_run_there(wanted, node)


def _without_constraints(spec: TaskSpec) -> TaskSpec:
    rules = msgspec.structs.replace(placement_of(spec), Constraints=None)
    empty = rules == PlacementRules()
    return msgspec.structs.replace(spec, Placement=None if empty else rules)


def _is_endpoint_of(spec: ServiceSpec, endpoint: Endpoint) -> bool:
    """The ports that the task was made with are those asked for (0 asks for any)."""
    asked = ports_of(spec)
    if endpoint.mode != endpoint_mode(spec) or len(asked) != len(endpoint.ports):
        return False
    return all(_is_same_port(one, other) for one, other in zip(asked, endpoint.ports, strict=True))


def _is_same_port(asked: PortConfig, given: PortConfig) -> bool:
    if asked.PublishedPort not in {0, given.PublishedPort}:
        return False
    return (asked.TargetPort, protocol_of(asked), asked.PublishMode or "ingress") == (
        given.TargetPort,
        protocol_of(given),
        given.PublishMode or "ingress",
    )


def ended(task: Task) -> bool:
    return has_ended(task.status.state)
