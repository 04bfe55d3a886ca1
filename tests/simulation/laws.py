"""The laws of tasks, checked at every commit."""

from sampan.swarm.model import Node, Task
from sampan.swarm.orchestrator.policies import Order, rollout
from sampan.swarm.states import DESIRED, NodeState, TaskState
from sampan.swarm.store.interface import Action, Commit
from sampan.swarm.store.tables import Place, Tables, place_of


def breaches(tables: Tables, commit: Commit, lost: set[str]) -> list[str]:
    """`lost` remembers nodes that were down: what shall stop there may outlive its successor."""
    for event in commit.events:
        if isinstance(event.item, Node) and event.item.status.state == NodeState.DOWN:
            lost.add(event.item.id)
    found: list[str] = []
    places: set[Place] = set()
    for event in commit.events:
        task, old = event.item, event.old
        if not isinstance(task, Task):
            continue
        places.add(place_of(task))
        if task.desired_state not in DESIRED:
            found.append(f"{task.id} is desired {task.desired_state.word}")
        if event.action == Action.UPDATED and isinstance(old, Task):
            found += _changes(old, task)
        if event.action == Action.REMOVED and _is_alive(tables, task):
            found.append(f"{task.id} was removed while it runs")
    for place in places:
        found += _slot(tables, tables.tasks_at(place), lost)
    return found


def _changes(old: Task, new: Task) -> list[str]:
    found = []
    if new.status.state < old.status.state:
        found.append(f"{new.id} went back from {old.status.state.word} to {new.status.state.word}")
    if new.desired_state < old.desired_state:
        found.append(f"{new.id} is desired {new.desired_state.word} again")
    for name in ("spec", "spec_version", "service_id", "slot", "job_iteration"):
        if getattr(old, name) != getattr(new, name):
            found.append(f"{new.id} got another {name}")
    if old.node_id and new.node_id != old.node_id:
        found.append(f"{new.id} moved")
    if new.status.state >= TaskState.ASSIGNED and not new.node_id:
        found.append(f"{new.id} is nowhere")
    return found


def _slot(tables: Tables, tasks: list[Task], lost: set[str]) -> list[str]:
    if not tasks:
        return []
    spec = next((t for t in tables._by_id["service"].values() if t.id == tasks[0].service_id), None)
    starts_first = spec is not None and Order.START_FIRST in {
        rollout(spec.spec.UpdateConfig).order,
        rollout(spec.spec.RollbackConfig).order,
    }
    limit = 2 if starts_first else 1
    running = [
        task
        for task in tasks
        if _is_alive(tables, task)
        and (task.desired_state <= TaskState.COMPLETE or task.node_id not in lost)
    ]
    wanted = [task for task in tasks if task.desired_state <= TaskState.COMPLETE]
    found = []
    if len(running) > 1 and not starts_first:
        found.append(f"{len(running)} tasks run in {place_of(tasks[0])}")
    if len(wanted) > limit:
        found.append(f"{len(wanted)} tasks shall run in {place_of(tasks[0])}")
    return found


def _is_alive(tables: Tables, task: Task) -> bool:
    """It runs on a node that answers."""
    node = tables.find(Node, task.node_id)
    if node is None or node.status.state == NodeState.DOWN:
        return False
    return task.status.state == TaskState.RUNNING
