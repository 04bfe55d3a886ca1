"""Wiring, part two: what all use cases share."""

from dataclasses import dataclass

from sampan.daemon.adapters import ContainerImageUsers
from sampan.daemon.config import Config
from sampan.daemon.instance import Instance
from sampan.daemon.storage import Storage
from sampan.engine.containers.live import Background, LiveContainers
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.registry import KIND, ContainerRegistry
from sampan.engine.events import EventLog
from sampan.lib.workers import Workers
from sampan.store.gc import Collector


@dataclass(frozen=True, slots=True)
class Core:
    config: Config
    instance: Instance
    storage: Storage
    workers: Workers
    events: EventLog
    containers: ContainerRegistry  # loaded
    live: LiveContainers
    background: Background
    paths: ContainerPaths
    image_users: ContainerImageUsers
    collector: Collector


async def make_core(config: Config, instance: Instance, storage: Storage, workers: Workers) -> Core:
    registry = ContainerRegistry(documents=storage.documents(KIND), workers=workers)
    await registry.load()
    return Core(
        config=config,
        instance=instance,
        storage=storage,
        workers=workers,
        events=EventLog(),
        containers=registry,
        live=LiveContainers(),
        background=Background(),
        paths=ContainerPaths(instance.data_root, instance.exec_root, instance.cgroup_parent),
        image_users=ContainerImageUsers(registry),
        collector=storage.collector(registry.claimed),
    )
