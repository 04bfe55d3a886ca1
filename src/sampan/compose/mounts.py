"""A service's volumes, secrets and configs as binds and mounts of a container.

The short form (`Binds`) is used wherever it can say all, because only it makes missing host
directories; the long one (`Mounts`) for the rest. Files of secrets and configs are bound read-only;
those with other content are copied in before the start (see `injection`). Volumes of the container
that is replaced come along where the service or the image wants an anonymous one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sampan.errors import Unsupported
from sampan.lib.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.compose.attributes import BindOptions, FileReference, VolumeMount
    from sampan.compose.model import FileObject, Project, Service
    from sampan.compose.surroundings import Inherited

Json = dict[str, Any]  # a request's body: the engine's API, not ours
BIND, VOLUME, TMPFS, IMAGE = "bind", "volume", "tmpfs", "image"
SECRETS_DIRECTORY = "/run/secrets/"


class Mounts(Record, frozen=True):
    binds: tuple[str, ...]
    mounts: tuple[Json, ...]


class ExternalFile(Unsupported):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"unsupported external {kind} {name}")


class UnknownVolumeType(Unsupported):
    def __init__(self, service: str, kind: str) -> None:
        super().__init__(f'service "{service}": volumes of type "{kind}" are not supported')


def secret_target(reference: FileReference) -> str:
    """Where a secret appears: beneath /run/secrets unless an absolute path is given."""
    target = reference.target or reference.source
    return target if target.startswith("/") else SECRETS_DIRECTORY + target


def config_target(reference: FileReference) -> str:
    target = reference.target or reference.source
    return target if target.startswith("/") else f"/{target}"


def translate_mounts(
    project: Project,
    service: Service,
    image_volumes: frozenset[str],
    inherited: Sequence[Inherited],
) -> Mounts:
    """Raises Unsupported for kinds that there are only on other platforms or in a swarm."""
    binds: list[str] = []
    mounts: dict[str, Json] = {}
    carried = {volume.target: volume for volume in inherited}
    targets = {volume.target for volume in service.volumes}
    for target in sorted(image_volumes - targets):
        if target in carried:
            mounts[target] = _carried(carried[target])
    for volume in service.volumes:
        if volume.type == VOLUME and not volume.source and volume.target in carried:
            mounts[volume.target] = _carried(carried[volume.target])
        elif text := _bind_text(project, volume):
            binds.append(text)
        else:
            mounts[volume.target] = _mount(project, service, volume)
    for reference in service.secrets:
        _add_file(mounts, "secret", project.secrets[reference.source], secret_target(reference))
    for reference in service.configs:
        _add_file(mounts, "config", project.configs[reference.source], config_target(reference))
    return Mounts(tuple(binds), tuple(mounts.values()))


def _carried(volume: Inherited) -> Json:
    mount: Json = {"Type": volume.type, "Source": volume.source, "Target": volume.target}
    if volume.read_only:
        mount["ReadOnly"] = True
    return mount


def _add_file(mounts: dict[str, Json], kind: str, file: FileObject, target: str) -> None:
    if file.external:
        raise ExternalFile(kind, file.name)
    if file.file:
        mounts[target] = {
            "Type": BIND,
            "Source": file.file,
            "Target": target,
            "ReadOnly": True,
            "BindOptions": {},
        }


def _bind_text(project: Project, volume: VolumeMount) -> str:
    """ "source:target:options", or "" when that can't say all."""
    options = ["ro" if volume.read_only else "rw"]
    if volume.type == BIND:
        if _needs_bind_options(volume.bind):
            return ""
        if volume.bind is not None and volume.bind.selinux:
            options.append(volume.bind.selinux)
        return f"{volume.source}:{volume.target}:{','.join(options)}"
    if volume.type != VOLUME or not volume.source:
        return ""
    given = volume.volume
    if given is not None and (given.labels or given.subpath or given.nocopy):
        return ""
    return f"{volume_name(project, volume.source)}:{volume.target}:{','.join(options)}"


def _needs_bind_options(bind: BindOptions | None) -> bool:
    if bind is None:
        return False
    return not bind.create_host_path or bool(bind.propagation or bind.recursive)


def volume_name(project: Project, key: str) -> str:
    known = project.volumes.get(key)
    return known.name if known is not None else key


def _mount(project: Project, service: Service, volume: VolumeMount) -> Json:
    mount: Json = {"Type": volume.type, "Target": volume.target}
    if volume.read_only:
        mount["ReadOnly"] = True
    if volume.consistency:
        mount["Consistency"] = volume.consistency
    if volume.type == BIND:
        mount["Source"] = volume.source
        mount["BindOptions"] = _bind_options(volume.bind)
    elif volume.type == VOLUME:
        if volume.source:
            mount["Source"] = volume_name(project, volume.source)
        mount["VolumeOptions"] = _volume_options(volume)
    elif volume.type == TMPFS:
        if volume.tmpfs is not None:
            mount["TmpfsOptions"] = {
                "SizeBytes": int(volume.tmpfs.size),
                "Mode": volume.tmpfs.mode,
            }
    elif volume.type == IMAGE:
        mount["Source"] = volume.source
        mount["ImageOptions"] = {"Subpath": volume.image.subpath if volume.image else ""}
    else:
        raise UnknownVolumeType(service.name, volume.type)
    return mount


def _bind_options(bind: BindOptions | None) -> Json:
    if bind is None:
        return {}
    options: Json = {"CreateMountpoint": bind.create_host_path}
    if bind.propagation:
        options["Propagation"] = bind.propagation
    if bind.recursive == "disabled":
        options["NonRecursive"] = True
    elif bind.recursive == "writable":
        options["ReadOnlyNonRecursive"] = True
    elif bind.recursive == "readonly":
        options["ReadOnlyForceRecursive"] = True
    return options


def _volume_options(volume: VolumeMount) -> Json:
    given = volume.volume
    if given is None:
        return {}
    options: Json = {}
    if given.nocopy:
        options["NoCopy"] = True
    if given.subpath:
        options["Subpath"] = given.subpath
    if given.labels:
        options["Labels"] = dict(given.labels)
    return options
