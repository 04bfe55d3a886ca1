"""Which namespaces a run gets: new ones, the host's, or those of another container.

--pid   host | container:<x>            --uts  host
--ipc   private | shareable | host | none | container:<x>    --cgroupns  host | private
"""

from dataclasses import dataclass

from sampan.engine.containers.networking import running_target
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.shm import SHAREABLE
from sampan.engine.containers.validate import container_of
from sampan.errors import Conflict
from sampan.runtime.spec_builder import HOST, PRIVATE, SpecNamespaces

HOST_SHM = "/dev/shm"  # noqa: S108 - the host's, on purpose
NO_SHM = "none"


class NotShareable(Conflict):
    def __init__(self, target: Container) -> None:
        super().__init__(
            f"cannot join IPC of container {target.id}: non-shareable IPC "
            "(hint: use IpcMode:shareable for the donor container)"
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    spec: SpecNamespaces
    shm_path: str = ""


class Namespaces:
    def __init__(self, *, registry: ContainerRegistry, paths: ContainerPaths) -> None:
        self._registry = registry
        self._paths = paths

    def resolve(self, container: Container, netns: str) -> Resolved:
        """`netns` is the network namespace's path, "" the host's. Raises NotFound, Conflict."""
        host = container.host
        ipc, shm_path = self._ipc(container)
        return Resolved(
            SpecNamespaces(
                network=netns or HOST,
                pid=self._pid(host.PidMode),
                ipc=ipc,
                uts=HOST if host.UTSMode == "host" else PRIVATE,
                cgroup=PRIVATE if host.CgroupnsMode == "private" else HOST,
            ),
            shm_path,
        )

    def _pid(self, mode: str) -> str:
        if mode == "host":
            return HOST
        name = container_of(mode)
        if name is None:
            return PRIVATE
        target = running_target(self._registry, name, "PID namespace")
        return f"/proc/{target.state.pid}/ns/pid"

    def _ipc(self, container: Container) -> tuple[str, str]:
        """The namespace, and the /dev/shm that goes with it."""
        mode = container.host.IpcMode
        name = container_of(mode)
        if name is not None:
            return self._ipc_of(running_target(self._registry, name, "IPC namespace"))
        match mode:
            case "host":
                return HOST, HOST_SHM
            case "none":
                return PRIVATE, NO_SHM
            case _ if mode == SHAREABLE:
                return PRIVATE, str(self._paths.shm(container.id))
        return PRIVATE, ""

    def _ipc_of(self, target: Container) -> tuple[str, str]:
        if target.host.IpcMode == "host":
            return HOST, HOST_SHM
        if target.host.IpcMode != SHAREABLE:
            raise NotShareable(target)
        return f"/proc/{target.state.pid}/ns/ipc", str(self._paths.shm(target.id))
