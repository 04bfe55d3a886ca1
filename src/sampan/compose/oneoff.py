"""A one-off container: a service with changes from the command line. Pure.

It has no restart policy and, unless asked for, none of the service's ports and no container name.
Its name is PROJECT-SERVICE-run-<12 hex digits>, the digits being the beginning of its slug.
"""

from collections.abc import Mapping, Sequence
from os.path import normpath
from pathlib import Path
from typing import Any

from sampan.compose.attributes import Port, VolumeMount
from sampan.compose.decode import decode
from sampan.compose.model import Project, Service
from sampan.compose.port_spec import parse_ports
from sampan.compose.shellwords import split
from sampan.compose.surroundings import Surroundings
from sampan.compose.translate import Json, create_body
from sampan.compose.volume_spec import parse_volume
from sampan.lib.records import Record, replace

SLUG_BYTES = 32
SHORT = 12


class OneOff(Record, frozen=True, kw_only=True):
    """Choices of `run`; None and empty leave the service's own."""

    command: Sequence[str] = ()
    entrypoint: str | None = None
    environment: Mapping[str, str | None] = {}
    labels: Mapping[str, str] = {}
    volumes: Sequence[str] = ()
    ports: Sequence[str] = ()
    service_ports: bool = False
    user: str = ""
    workdir: str = ""
    cap_add: Sequence[str] = ()
    cap_drop: Sequence[str] = ()
    tty: bool = False
    stdin: bool = True
    remove: bool = False
    name: str = ""
    use_aliases: bool = False


def container_name(project: Project, service: Service, slug: str) -> str:
    return f"{project.name}-{service.name}-run-{slug[:SHORT]}"


def changed_service(service: Service, choices: OneOff, base: str) -> Service:
    """The service as this container wants it; `base` is where relative paths begin."""
    changes: dict[str, Any] = {  # fields of Service, checked by its constructor
        "restart": "no",
        "container_name": "",
        "scale": None,
        "tty": choices.tty,
        "stdin_open": choices.stdin,
        "ports": _ports(service, choices),
        "volumes": _volumes(service, choices, base),
        "environment": {**service.environment, **choices.environment},
        "labels": {**service.labels, **choices.labels},
        "cap_add": (*service.cap_add, *choices.cap_add),
        "cap_drop": (*service.cap_drop, *choices.cap_drop),
    }
    if service.deploy is not None:
        changes["deploy"] = replace(service.deploy, restart_policy=None, replicas=None)
    if choices.command:
        changes["command"] = tuple(choices.command)
    if choices.entrypoint is not None:
        changes["entrypoint"] = split(choices.entrypoint)
        if not choices.command:
            changes["command"] = ()
    if choices.user:
        changes["user"] = choices.user
    if choices.workdir:
        changes["working_dir"] = choices.workdir
    return replace(service, **changes)


def _ports(service: Service, choices: OneOff) -> tuple[Port, ...]:
    own = service.ports if choices.service_ports else ()
    given = [entry for spec in choices.ports for entry in parse_ports(spec)]
    return (*own, *(decode(Port, entry, ("ports",)) for entry in given))


def _volumes(service: Service, choices: OneOff, base: str) -> tuple[VolumeMount, ...]:
    given = [decode(VolumeMount, parse_volume(spec), ("volumes",)) for spec in choices.volumes]
    given = [
        replace(volume, source=normpath(Path(base, Path(volume.source).expanduser())))
        if volume.type == "bind"
        else volume
        for volume in given
    ]
    targets = {volume.target for volume in given}
    return (*(v for v in service.volumes if v.target not in targets), *given)


def oneoff_body(project: Project, service: Service, choices: OneOff, around: Surroundings) -> Json:
    """The create request: attached to a stdin of one session, removed by the engine if asked."""
    body = create_body(project, service, around)
    body["AttachStdin"] = choices.stdin
    body["StdinOnce"] = choices.stdin
    host: Json = body["HostConfig"]
    host["AutoRemove"] = choices.remove
    return body
