"""How many tasks services have and want: what `service ls` shows."""

from collections.abc import Iterable

from sampan.swarm.model import Service, Task
from sampan.swarm.states import TaskState
from sampan.swarm.store.tables import Tables
from sampan.wire.swarm_views import ServiceStatusView


def statuses(tables: Tables, services: Iterable[Service]) -> dict[str, ServiceStatusView]:
    """By service id."""
    return {service.id: _status(service, tables.tasks_of(service.id)) for service in services}


def _status(service: Service, tasks: list[Task]) -> ServiceStatusView:
    mode = service.spec.Mode
    is_job = mode.ReplicatedJob is not None or mode.GlobalJob is not None
    iteration = service.job.iteration if service.job is not None else None
    current = [task for task in tasks if not is_job or task.job_iteration == iteration]
    running = sum(
        task.status.state is TaskState.RUNNING and task.desired_state <= TaskState.COMPLETE
        for task in current
    )
    completed = sum(task.status.state is TaskState.COMPLETE for task in current) if is_job else 0
    if mode.Replicated is not None:
        desired = mode.Replicated.Replicas or 0
    elif mode.ReplicatedJob is not None:
        desired = mode.ReplicatedJob.MaxConcurrent or 0
    else:
        # one for each node that has been given one
        wanted = TaskState.COMPLETE if is_job else TaskState.RUNNING
        desired = sum(task.desired_state <= wanted for task in current)
    return ServiceStatusView(RunningTasks=running, DesiredTasks=desired, CompletedTasks=completed)
