"""Jobs: tasks that run until they complete, anew with each iteration of their service.

A replicated job has slots 1 to TotalCompletions, of which MaxConcurrent run at a time; a slot is
done when a task of it completed, and given up when its restart policy allows no more. A global
job runs once on every node that fits. Tasks are desired complete. Those of an earlier iteration
are removed. Failed tasks get their successors from the restarter.
"""

from collections.abc import Iterable, Iterator

from sampan.swarm.model import Node, Service, Task
from sampan.swarm.orchestrator.policies import Mode, is_job, job_counts, mode_of
from sampan.swarm.orchestrator.replicated import free_slots
from sampan.swarm.orchestrator.tasks import (
    PAUSE,
    desire,
    ended,
    is_invalid,
    is_wanted,
    iteration_of,
    matters_to_placement,
    may_run_there,
    new_task,
)
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Action, Create, Event

TOGETHER_NS = 100_000_000


class Jobs(Reconciler[str]):
    """Keys are ids of services."""

    def seed(self) -> Iterator[str]:
        return (service.id for service in self.tables.all(Service) if is_job(service))

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Service):
            return () if event.action == Action.REMOVED or not is_job(item) else (item.id,)
        if isinstance(item, Task) and item.job_iteration is not None:
            if ended(item):  # many together: a look at the job costs as much as it has tasks
                self.ask_at(item.service_id, self.clock.now_ns() + TOGETHER_NS)
            return ()
        if isinstance(item, Node) and matters_to_placement(event):
            return [
                service.id
                for service in self.tables.all(Service)
                if mode_of(service.spec) == Mode.GLOBAL_JOB
            ]
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        service = self.tables.find(Service, key)
        if service is None or not is_job(service):
            return []
        present: list[Task] = []
        groups: list[Group] = []
        for task in self.tables.tasks_of(key):
            if task.job_iteration == iteration_of(service):
                present.append(task)
            else:
                groups.append(desire(task, TaskState.REMOVE))
        if mode_of(service.spec) == Mode.GLOBAL_JOB:
            groups.extend(self._plan_global(service, present))
        else:
            groups.extend(self._plan_replicated(service, present))
        return groups

    def _plan_replicated(self, service: Service, present: list[Task]) -> Iterator[Group]:
        at_once, in_all = job_counts(service.spec)
        taken = {task.slot: task for task in present if task.desired_state < TaskState.REMOVE}
        active = {task.slot for task in present if is_wanted(task) and not _is_done(task)}
        count = min(at_once - len(active), in_all - len(taken))
        for slot in free_slots(taken, count):
            task = new_task(service, self.clock.now_ns(), slot=slot, desired=TaskState.COMPLETE)
            yield [Create(task)]

    def _plan_global(self, service: Service, present: list[Task]) -> Iterator[Group]:
        served = set()
        for task in present:
            if not is_invalid(self.tables.find(Node, task.node_id)):
                if _is_done(task) or task.desired_state < TaskState.REMOVE:
                    served.add(task.node_id)
            elif not ended(task):
                yield desire(task, TaskState.REMOVE)
        for node in self.tables.all(Node):
            if node.id in served or not self._takes(service, node):
                continue
            task = new_task(
                service, self.clock.now_ns(), node_id=node.id, desired=TaskState.COMPLETE
            )
            yield [Create(task)]

    def _takes(self, service: Service, node: Node) -> bool:
        return (
            node.status.state == NodeState.READY
            and not is_invalid(node)
            and node.spec.Availability != PAUSE
            and may_run_there(service.spec.TaskTemplate, node)
        )


def _is_done(task: Task) -> bool:
    return task.status.state == TaskState.COMPLETE
