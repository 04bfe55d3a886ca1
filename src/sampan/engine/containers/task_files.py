"""What the monitor of a container is told: its folders, runtime, streams and log. Pure."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.lib.ids import ContainerId
from sampan.logs import drivers, receivers, tags
from sampan.runtime.runtimes import Runtimes
from sampan.runtime.tasks import LogTarget, RemoteLog, TaskSpec

SYSLOG, JOURNALD = "syslog", "journald"


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


def log_target(container: Container) -> LogTarget | RemoteLog | None:
    settings = container.host.LogConfig
    options = settings.Config or {}
    if settings.Type == SYSLOG:
        return _syslog(options, _facts(container))
    if settings.Type == JOURNALD:
        return _journald(options, _facts(container))
    if not container.log_path or not drivers.writes_file(settings.Type):
        return None
    rotation = drivers.rotation(settings.Type, options)
    return LogTarget(
        path=Path(container.log_path),
        max_size_bytes=rotation.max_size_bytes,
        max_files=rotation.max_files,
        compress=rotation.compress,
        attrs=tags.attributes(options, _facts(container)),
    )


def _syslog(options: Mapping[str, str], facts: tags.Facts) -> RemoteLog:
    address = receivers.parse_address(options.get("syslog-address", ""))
    settings: dict[str, Any] = {
        "network": address.network,
        "facility": receivers.facility(options.get("syslog-facility", "")),
        "format": receivers.syslog_format(options.get("syslog-format", "")),
        "tag": receivers.render_tag(options, facts),
    }
    if address.paths:
        settings["paths"] = address.paths
    else:
        settings |= {"host": address.host, "port": address.port, "tls": receivers.tls(options)}
    return _remote(SYSLOG, settings, options)


def _journald(options: Mapping[str, str], facts: tags.Facts) -> RemoteLog:
    settings = {
        "network": "journal",
        "paths": [receivers.JOURNAL_SOCKET],
        "fields": receivers.journal_fields(options, facts),
    }
    return _remote(JOURNALD, settings, options)


def _remote(driver: str, settings: dict[str, Any], options: Mapping[str, str]) -> RemoteLog:
    buffering = drivers.buffering(options)
    return RemoteLog(
        driver=driver,
        settings=settings,
        buffer_bytes=buffering.size_bytes,
        drops=buffering.drops,
    )


def _facts(container: Container) -> tags.Facts:
    return tags.Facts(
        id=container.id,
        name=container.name,
        image_id=container.image_id,
        image_name=container.image_name,
        command=" ".join(container.argv),
        labels=container.labels,
        env=dict(entry.partition("=")[::2] for entry in container.config.Env or ()),
        hostname=platform.node(),
    )
