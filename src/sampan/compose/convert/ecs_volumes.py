"""Volumes of a task definition and the mount points of its containers.

named volume   dockerVolumeConfiguration, shared by the tasks of one machine
anonymous      a volume of the task
bind           host path
tmpfs          linuxParameters (ecs_container)
"""

import re
from typing import Any

from sampan.compose.convert.report import Report, filled
from sampan.compose.convert.wants import lost_mount_settings
from sampan.compose.model import Project, Service, Volume

_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class TaskVolumes:
    def __init__(self, project: Project, report: Report) -> None:
        self._project = project
        self._report = report
        self._found: dict[str, dict[str, Any]] = {}

    @property
    def definitions(self) -> list[dict[str, Any]]:
        return [{"name": name, **each} for name, each in self._found.items()]

    def _add(self, name: str, definition: dict[str, Any]) -> str:
        name = _NOT_NAME.sub("-", name).strip("-")[:250]
        base, count = name, 1
        while self._found.get(name, definition) != definition:
            count += 1
            name = f"{base}-{count}"
        self._found[name] = definition
        return name

    def mount_points(self, service: Service) -> list[dict[str, Any]]:
        found = []
        for mount in service.volumes:
            key = f"volumes.{mount.target}"
            lost_mount_settings(service, mount, self._report)
            match mount.type:
                case "volume" if mount.source:
                    volume = self._project.volumes.get(mount.source, Volume())
                    name = self._add(mount.source, self._named(mount.source, volume))
                    if mount.volume and mount.volume.subpath:
                        self._report.dropped(service.name, f"{key}.subpath", "whole volumes only")
                case "volume":
                    name = self._add(f"{service.name}{mount.target}", {})
                case "bind":
                    self._report.changed(
                        service.name, key, f"{mount.source} must be there on every machine"
                    )
                    name = self._add(f"host{mount.source}", {"host": {"sourcePath": mount.source}})
                    if mount.bind and (mount.bind.propagation or mount.bind.selinux):
                        self._report.dropped(service.name, f"{key}.bind", "no options of binds")
                case "tmpfs":
                    continue
                case _:
                    self._report.dropped(service.name, key, f"no mounts of type {mount.type}")
                    continue
            read_only = mount.read_only or None
            point = {"sourceVolume": name, "containerPath": mount.target, "readOnly": read_only}
            found.append(filled(point))
        return found

    def _named(self, key: str, volume: Volume) -> dict[str, Any]:
        if volume.external:
            self._report.changed("", f"volumes.{key}.external", "must be there on every machine")
        self._report.changed("", f"volumes.{key}", "each machine has its own: for EFS, edit this")
        return {
            "dockerVolumeConfiguration": filled(
                {
                    "scope": "shared",
                    "autoprovision": not volume.external,
                    "driver": volume.driver or "local",
                    "driverOpts": dict(volume.driver_opts),
                    "labels": dict(volume.labels),
                }
            )
        }
