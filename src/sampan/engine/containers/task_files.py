"""What the monitor of a container is told: its folders, runtime, streams and log. Pure."""

from pathlib import Path

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.lib.ids import ContainerId, short
from sampan.logs import drivers
from sampan.runtime.runtimes import Runtimes
from sampan.runtime.tasks import LogTarget, TaskSpec

NO_LOG = "none"


class TaskFiles:
    def __init__(self, *, paths: ContainerPaths, runtimes: Runtimes) -> None:
        self._paths = paths
        self._runtimes = runtimes

    def spec(self, container: Container) -> TaskSpec:
        """The same for every run of the container, and for finding a run again."""
        config, host = container.config, container.host
        runtime = self._runtimes.get(host.Runtime)
        rows, columns = host.ConsoleSize or (0, 0)
        return TaskSpec(
            id=container.id,
            bundle=self._paths.bundle(container.id),
            state_dir=self._paths.task_dir(container.id),
            runtime_path=runtime.path,
            runtime_args=runtime.args,
            terminal=config.Tty,
            open_stdin=config.OpenStdin,
            stdin_once=config.StdinOnce,
            console_size=(rows, columns),
            log=log_target(container),
            cgroup_path=self._paths.cgroup(container.id, host.CgroupParent),
            spool_dir=self._paths.home(container.id),
        )

    def orphan(self, identifier: ContainerId) -> TaskSpec:
        """For clearing away what is left of a container that no record names."""
        runtime = self._runtimes.get("")
        return TaskSpec(
            id=identifier,
            bundle=self._paths.bundle(identifier),
            state_dir=self._paths.task_dir(identifier),
            runtime_path=runtime.path,
            runtime_args=runtime.args,
        )


def log_target(container: Container) -> LogTarget | None:
    settings = container.host.LogConfig
    if settings.Type == NO_LOG or not container.log_path:
        return None
    options = settings.Config or {}
    rotation = drivers.check(settings.Type, options)
    return LogTarget(
        path=Path(container.log_path),
        max_size_bytes=rotation.max_size_bytes,
        max_files=rotation.max_files,
        compress=rotation.compress,
        attrs=drivers.attributes(
            options,
            labels=container.labels,
            env=dict(entry.partition("=")[::2] for entry in container.config.Env or ()),
            tag_facts=_tag_facts(container),
        ),
    )


def _tag_facts(container: Container) -> dict[str, str]:
    return {
        "ID": short(container.id),
        "FullID": container.id,
        "Name": container.name,
        "ImageID": short(container.image_id),
        "ImageFullID": container.image_id,
        "ImageName": container.image_name,
        "DaemonName": "docker",
    }
