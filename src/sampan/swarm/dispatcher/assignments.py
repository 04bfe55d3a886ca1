"""What a node is to be told: derived from the tables, as a whole or as the difference since.

A node gets every task that is placed on it, for as long as the store has the task: ended ones too,
since their containers stay until they are reaped. It gets only the secrets, configs and registry
credentials of those that are still to run. What a task's own node reports isn't sent back to it,
but for the verdict that the task is an orphan.
"""

from typing import TypeVar

import msgspec

from sampan.swarm.messages import Assigned
from sampan.swarm.model import Cluster, Config, Secret, Service, Task, TaskStatus
from sampan.swarm.networkmap import NetworkStates
from sampan.swarm.networkstate import NodeNetworks
from sampan.swarm.states import TaskState, has_ended
from sampan.swarm.store.tables import Tables
from sampan.wire.services import DriverConfig

Item = TypeVar("Item", Secret, Config)

_UNSEEN = TaskStatus()
_ORPHANED = TaskStatus(state=TaskState.ORPHANED)


class Assignments:
    """Of one session: remembers what it has told."""

    def __init__(self, node_id: str, tables: Tables, networks: NetworkStates) -> None:
        self._node_id = node_id
        self._tables = tables
        self._states = networks
        self._tasks: dict[str, Task] = {}
        self._secrets: dict[str, Secret] = {}
        self._configs: dict[str, Config] = {}
        self._credentials: dict[str, str] = {}
        self._networks: NodeNetworks | None = None

    def complete(self) -> Assigned:
        tasks = self._placed()
        self._tasks = {task.id: _shape(task) for task in tasks}
        self._secrets, self._configs, self._credentials = self._needed(tasks)
        self._networks = self._node_networks()
        return Assigned(
            revision=self._tables.revision,
            complete=True,
            networks=self._networks,
            secrets=tuple(self._secrets.values()),
            configs=tuple(self._configs.values()),
            credentials=self._credentials,
            log_driver=self._log_driver(),
            tasks=tuple(tasks),
        )

    def changes(self) -> Assigned | None:
        """None: nothing that concerns the node."""
        placed = self._placed()
        shapes = {task.id: _shape(task) for task in placed}
        secrets, configs, credentials = self._needed(placed)
        networks = self._node_networks()
        found = Assigned(
            revision=self._tables.revision,
            networks=networks if networks != self._networks else None,
            secrets=tuple(_new(secrets, self._secrets)),
            configs=tuple(_new(configs, self._configs)),
            credentials=dict(credentials.items() - self._credentials.items()),
            log_driver=self._log_driver(),
            tasks=tuple(task for task in placed if shapes[task.id] != self._tasks.get(task.id)),
            removed_tasks=tuple(self._tasks.keys() - shapes.keys()),
            removed_secrets=tuple(self._secrets.keys() - secrets.keys()),
            removed_configs=tuple(self._configs.keys() - configs.keys()),
        )
        self._tasks, self._networks = shapes, networks
        self._secrets, self._configs, self._credentials = secrets, configs, credentials
        nothing = Assigned(revision=found.revision, log_driver=found.log_driver)
        return None if found == nothing else found

    def _placed(self) -> list[Task]:
        on_node = self._tables.tasks_on(self._node_id)
        return [task for task in on_node if task.status.state >= TaskState.ASSIGNED]

    def _needed(
        self, tasks: list[Task]
    ) -> tuple[dict[str, Secret], dict[str, Config], dict[str, str]]:
        secrets: dict[str, Secret] = {}
        configs: dict[str, Config] = {}
        credentials: dict[str, str] = {}
        for task in tasks:
            container = task.spec.ContainerSpec
            over = task.desired_state >= TaskState.SHUTDOWN or has_ended(task.status.state)
            if over or container is None:
                continue
            for secret in container.Secrets or ():
                if (kept := self._tables.find(Secret, secret.SecretID)) is not None:
                    secrets[kept.id] = kept
            for config in container.Configs or ():
                if (text := self._tables.find(Config, config.ConfigID)) is not None:
                    configs[text.id] = text
            service = self._tables.find(Service, task.service_id)
            if service is not None and service.registry_auth:
                credentials[service.id] = service.registry_auth
        return secrets, configs, credentials

    def _node_networks(self) -> NodeNetworks:
        cluster = self._cluster()
        port = cluster.data_path_port if cluster else NodeNetworks().data_path_port
        return self._states.everything(self._node_id, data_path_port=port)

    def _log_driver(self) -> DriverConfig | None:
        cluster = self._cluster()
        return cluster.spec.TaskDefaults.LogDriver if cluster else None

    def _cluster(self) -> Cluster | None:
        return next(iter(self._tables.all(Cluster)), None)


def _shape(task: Task) -> Task:
    """The task without what its own node reports: equal means nothing to tell."""
    orphaned = task.status.state == TaskState.ORPHANED
    status = _ORPHANED if orphaned else _UNSEEN
    return msgspec.structs.replace(task, version=0, updated_ns=0, status=status)


def _new(now: dict[str, Item], before: dict[str, Item]) -> list[Item]:
    return [each for key, each in now.items() if before.get(key) != each]
