"""Wiring, part three: what containers are made with, found on this machine and started.

On a hybrid cgroup hierarchy crun needs every controller on version 1: what is missing is mounted,
as Debian's cgroupfs-mount does; where that can't be done runc takes over, and /info says so.
"""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sampan.daemon.config import Config
from sampan.daemon.core import Core
from sampan.daemon.instance import Instance
from sampan.engine.volumes import Volumes
from sampan.lib import needs
from sampan.lib.log import fields
from sampan.linux.cgroups import CgroupLayout, mount_missing
from sampan.network.model import DEFAULT_ADDRESS_POOLS, NetworkSettings
from sampan.network.service import NetworkService
from sampan.runtime.facts import HostFacts
from sampan.runtime.runtimes import OciRuntime, Runtimes
from sampan.runtime.seccomp import SeccompPrograms
from sampan.runtime.tasks import TaskService
from sampan.volumes.store import VolumeStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanisms:
    tasks: TaskService
    layout: CgroupLayout
    facts: HostFacts
    runtimes: Runtimes
    network: NetworkService
    volume_store: VolumeStore
    volumes: Volumes
    programs: SeccompPrograms
    init_path: str


async def start_mechanisms(core: Core, stack: AsyncExitStack) -> Mechanisms:
    config, instance, workers = core.config, core.instance, core.workers
    layout, unmovable = await workers.run(mount_missing, CgroupLayout.detect())
    runtimes = _runtimes(config)
    if unmovable:
        runtimes.fall_back_from_crun(f"cgroup controllers on version 2: {' '.join(unmovable)}")
    network = NetworkService(
        documents=core.storage.documents("network"), settings=network_settings(config, instance)
    )
    stack.push_async_callback(_leave, network, layout, core)
    await network.start()
    tasks = TaskService(instance.exec_root, layout=layout, workers=workers)
    await tasks.start()
    stack.push_async_callback(tasks.close)
    volume_store = VolumeStore(documents=core.storage.documents("volume"), root=instance.volumes)
    return Mechanisms(
        tasks=tasks,
        layout=layout,
        facts=HostFacts.detect(layout.docker_version),
        runtimes=runtimes,
        network=network,
        volume_store=volume_store,
        volumes=Volumes(
            store=volume_store, users=core.containers, events=core.events, workers=workers
        ),
        programs=SeccompPrograms(),
        init_path=needs.INIT.find(),
    )


async def _leave(network: NetworkService, layout: CgroupLayout, core: Core) -> None:
    """Bridges, rules and the cgroup stay while containers use them; without any, all of it goes."""
    running = any(container.state.running for container in core.containers.list())
    await network.close(remove=not running)
    if not running:
        try:
            await core.workers.run(layout.remove, core.instance.cgroup_parent)
        except OSError as error:  # somebody put a process of theirs into it
            log.warning(fields("cgroup not removed", reason=error))


def _runtimes(config: Config) -> Runtimes:
    configured = {
        name: OciRuntime(name, choice.path, choice.arguments)
        for name, choice in config.runtimes.items()
    }
    return Runtimes(configured, default=config.default_runtime)


def network_settings(config: Config, instance: Instance) -> NetworkSettings:
    return NetworkSettings(
        netns_root=instance.netns,
        bridge_name=instance.bridge or "none",
        table_name=instance.table,
        bip=config.bip,
        default_address_pools=config.default_address_pools or DEFAULT_ADDRESS_POOLS,
        veth_prefix=instance.veth_prefix,
        overlay_prefix=instance.overlay_prefix,
        topology_path=instance.topology,
        ip_forward=config.ip_forward,
        icc=config.icc,
        masquerade=config.ip_masq,
        host_ip=config.ip,
        mtu=config.mtu,
        ipv6=config.ipv6,
        fixed_cidr_v6=config.fixed_cidr_v6,
        host_gateway_ip=config.host_gateway_ip,
    )
