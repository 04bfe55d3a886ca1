"""`docker update`: other limits and another restart policy, running or not.

A running container's control group changes first, then the record: if the kernel refuses, nothing
is kept.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container, event_attributes, with_host
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.events import EventLog
from sampan.errors import Conflict, SampanError
from sampan.lib.workers import Workers
from sampan.linux.cgroups import CgroupLayout, Limits
from sampan.runtime import limits, restart
from sampan.runtime.facts import HostFacts
from sampan.wire.container_views import UpdateRequest
from sampan.wire.containers import HostSettings, Resources

_CPU_PERIOD_US = 100_000
_FIELDS = tuple(Resources.__struct_fields__)


class CannotUpdate(Conflict):
    def __init__(self, container: Container, reason: str) -> None:
        super().__init__(f"Cannot update container {container.id}: {reason}")


class Updater:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        layout: CgroupLayout,
        facts: HostFacts,
        paths: ContainerPaths,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._layout = layout
        self._facts = facts
        self._paths = paths
        self._events = events
        self._workers = workers

    async def update(self, text: str, request: UpdateRequest) -> Sequence[str]:
        """Warnings. Raises NoSuchContainer, InvalidArgument and CannotUpdate."""
        identifier = self._registry.get(text).id
        async with self._registry.lock(identifier):
            container = self._registry.get(identifier)
            host = self._changed(container, request)
            if container.state.pid:
                await self._apply(container, host)
            after = await self._registry.update(identifier, partial(with_host, host=host))
        self._events.publish("container", "update", identifier, event_attributes(after))
        return []

    def _changed(self, container: Container, request: UpdateRequest) -> HostSettings:
        if container.state.removing or container.state.dead:
            raise CannotUpdate(container, 'container is marked for removal and cannot be "update"')
        limits.check_resources(_memory_alone(request), self._facts)
        restart.check(request.RestartPolicy, auto_remove=False)
        changes: dict[str, Any] = {
            name: value for name in _FIELDS if (value := getattr(request, name)) not in _ABSENT
        }
        if request.RestartPolicy.Name:
            if container.auto_remove and request.RestartPolicy.Name != "no":
                raise CannotUpdate(
                    container,
                    "Restart policy cannot be updated because AutoRemove is enabled for the "
                    "container",
                )
            changes["RestartPolicy"] = request.RestartPolicy
        host = msgspec.structs.replace(container.host, **changes)
        if host.NanoCpus and (request.CpuPeriod or request.CpuQuota):
            raise CannotUpdate(
                container,
                "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been "
                "set",
            )
        if host.MemorySwap > 0 and host.Memory > host.MemorySwap:
            raise CannotUpdate(
                container,
                "Memory limit should be smaller than already set memoryswap limit, update the "
                "memoryswap at the same time",
            )
        if host.PidsLimit is not None and host.PidsLimit <= 0:
            host = msgspec.structs.replace(host, PidsLimit=None)
        limits.check_resources(host, self._facts)
        return host

    async def _apply(self, container: Container, host: HostSettings) -> None:
        wanted = changed_limits(container.host, host)
        if wanted == Limits():
            return
        group = self._paths.cgroup(container.id, container.host.CgroupParent)
        try:
            await self._workers.run(self._layout.update, group, wanted)
        except (OSError, SampanError) as error:
            raise CannotUpdate(container, str(error)) from error


_ABSENT: tuple[object, ...] = (None, 0, "", [])


def _memory_alone(request: UpdateRequest) -> UpdateRequest:
    """A swap limit may come without the memory limit that is set already."""
    return msgspec.structs.replace(request, MemorySwap=0) if not request.Memory else request


def changed_limits(before: Resources, after: Resources) -> Limits:
    """What the kernel has to be told. Pure."""

    def changed(name: str) -> Any:
        value = getattr(after, name)
        return value if value != getattr(before, name) else None

    quota, period = changed("CpuQuota"), changed("CpuPeriod")
    if (cpus := changed("NanoCpus")) is not None:
        period, quota = _CPU_PERIOD_US, cpus * _CPU_PERIOD_US // 1_000_000_000
    pids = None
    if after.PidsLimit != before.PidsLimit:
        pids = -1 if after.PidsLimit is None else after.PidsLimit
    return Limits(
        memory_bytes=changed("Memory"),
        memory_swap_bytes=changed("MemorySwap"),
        memory_reservation_bytes=changed("MemoryReservation"),
        cpu_shares=changed("CpuShares"),
        cpu_quota_us=quota,
        cpu_period_us=period,
        cpuset_cpus=changed("CpusetCpus"),
        cpuset_mems=changed("CpusetMems"),
        pids=pids,
        blkio_weight=changed("BlkioWeight"),
    )
