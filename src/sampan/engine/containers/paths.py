"""Where the files of containers lie.

::

    <data-root>/containers/<id>/          home: kept until the container is removed
        <id>-json.log  hostname  hosts  resolv.conf
    <exec-root>/tasks/<id>/               the running task's folder (runtime.tasks)
        bundle/config.json                what the OCI runtime is told
    <exec-root>/rootfs/<id>               mount point of the root file system
    <exec-root>/shm/<id>                  /dev/shm of `--ipc shareable`

The exec root is empty after a reboot; nothing in it is needed to start a container again.
"""

from dataclasses import dataclass
from pathlib import Path

from sampan.lib.ids import ContainerId


@dataclass(frozen=True, slots=True)
class ContainerPaths:
    data_root: Path
    exec_root: Path
    cgroup_parent: str = "/sampan"  # one per daemon instance

    @property
    def homes(self) -> Path:
        return self.data_root / "containers"

    @property
    def task_dirs(self) -> Path:
        return self.exec_root / "tasks"

    @property
    def rootfs_mounts(self) -> Path:
        return self.exec_root / "rootfs"

    @property
    def shm_mounts(self) -> Path:
        return self.exec_root / "shm"

    @property
    def image_mounts(self) -> Path:
        return self.exec_root / "images"

    def image_mount(self, identifier: ContainerId, number: int) -> Path:
        """`number`: which of the container's mounts it is."""
        return self.image_mounts / identifier / str(number)

    def home(self, identifier: ContainerId) -> Path:
        return self.homes / identifier

    def log(self, identifier: ContainerId) -> Path:
        return self.home(identifier) / f"{identifier}-json.log"

    def hostname(self, identifier: ContainerId) -> Path:
        return self.home(identifier) / "hostname"

    def hosts(self, identifier: ContainerId) -> Path:
        return self.home(identifier) / "hosts"

    def resolv_conf(self, identifier: ContainerId) -> Path:
        return self.home(identifier) / "resolv.conf"

    def task_dir(self, identifier: ContainerId) -> Path:
        return self.task_dirs / identifier

    def bundle(self, identifier: ContainerId) -> Path:
        return self.task_dir(identifier) / "bundle"

    def rootfs(self, identifier: ContainerId) -> Path:
        return self.rootfs_mounts / identifier

    def cgroup(self, identifier: ContainerId, parent: str = "") -> str:
        """The control group's path in every hierarchy; `parent` is HostConfig.CgroupParent."""
        return f"/{(parent or self.cgroup_parent).strip('/')}/{identifier}"

    def shm(self, identifier: ContainerId) -> Path:
        return self.shm_mounts / identifier
