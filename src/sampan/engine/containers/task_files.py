"""What the monitor of a container is told: its folders, runtime, streams and log. Pure."""

import re
from collections.abc import Mapping
from pathlib import Path

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.errors import InvalidArgument
from sampan.lib.ids import short
from sampan.lib.units import parse_size_bytes
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


def log_target(container: Container) -> LogTarget | None:
    settings = container.host.LogConfig
    if settings.Type == NO_LOG or not container.log_path:
        return None
    options = settings.Config or {}
    return LogTarget(
        path=Path(container.log_path),
        max_size_bytes=_size(options.get("max-size", "")),
        max_files=int(options.get("max-file") or 1),
        compress=options.get("compress", "") in {"true", "1", "t"},
        attrs=log_attributes(container, options),
    )


def log_attributes(container: Container, options: Mapping[str, str]) -> dict[str, str]:
    """Labels, environment and tag that the options want in every record."""
    found: dict[str, str] = {}
    environment = dict(
        entry.partition("=")[::2] for entry in container.config.Env or () if "=" in entry
    )
    for values, listed, pattern in (
        (container.labels, "labels", "labels-regex"),
        (environment, "env", "env-regex"),
    ):
        wanted = options.get(listed, "").split(",")
        match = re.compile(options[pattern]).search if options.get(pattern) else None
        for name, value in values.items():
            if name in wanted or (match and match(name)):
                found[name] = value
    if tag := options.get("tag"):
        found["tag"] = expand_tag(tag, container)
    return found


def expand_tag(tag: str, container: Container) -> str:
    """The placeholders of `--log-opt tag=` that are in use: ids, names, image."""
    values = {
        "ID": short(container.id),
        "FullID": container.id,
        "Name": container.name,
        "ImageID": short(container.image_id),
        "ImageFullID": container.image_id,
        "ImageName": container.image_name,
        "DaemonName": "docker",
    }
    return re.sub(r"{{\s*\.(\w+)\s*}}", lambda match: values.get(match[1], match[0]), tag)


def _size(text: str) -> int | None:
    if text in {"", "-1"}:
        return None
    try:
        return parse_size_bytes(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid value for max-size: {text}") from error
