"""A container's mounts in the words of the OCI runtime.

Parents come before what lies below them. /etc/resolv.conf, /etc/hostname and /etc/hosts are bound
in unless the user mounts something there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sampan.engine.containers.mounts import tmpfs_options
from sampan.engine.containers.record import Container, MountPoint
from sampan.errors import InvalidArgument, NotFound
from sampan.linux.mounts import resolve_beneath
from sampan.runtime.spec_builder import SpecMount


@dataclass(frozen=True, slots=True)
class EtcPaths:
    hosts: Path
    hostname: Path
    resolv_conf: Path


def build(container: Container, etc: EtcPaths) -> tuple[SpecMount, ...]:
    """Blocks on volume subpaths only."""
    mounts = [_mount(point) for point in container.mounts]
    mounts += [
        SpecMount("tmpfs", "tmpfs", path, tmpfs_options(options))
        for path, options in (container.host.Tmpfs or {}).items()
    ]
    mounts.sort(key=lambda mount: mount.destination.count("/"))
    taken = {mount.destination for mount in mounts}
    access = "ro" if container.host.ReadonlyRootfs else "rw"
    files = [
        SpecMount("bind", str(source), destination, ("rbind", "rprivate", access))
        for source, destination in (
            (etc.resolv_conf, "/etc/resolv.conf"),
            (etc.hostname, "/etc/hostname"),
            (etc.hosts, "/etc/hosts"),
        )
        if destination not in taken
    ]
    below_etc = [mount for mount in mounts if mount.destination == "/etc"]
    rest = [mount for mount in mounts if mount.destination != "/etc"]
    return (*below_etc, *files, *rest)


def _mount(point: MountPoint) -> SpecMount:
    access = "rw" if point.rw else "ro"
    if point.type == "tmpfs":
        return SpecMount("tmpfs", "tmpfs", point.destination, (*point.options, access))
    source = point.source
    if point.subpath:
        found = resolve_beneath(Path(source), point.subpath)
        if not found.exists():
            raise NotFound(f"cannot access path {found}: no such file or directory")
        source = str(found)
    how = "rbind" if point.recursive else "bind"
    return SpecMount(
        "bind", source, point.destination, (how, point.propagation or "rprivate", access)
    )


def make_sources(points: Iterable[MountPoint]) -> None:
    """`-v` makes missing host directories; others must be there. Blocks."""
    for point in points:
        if point.type != "bind":
            continue
        source = Path(point.source)
        if source.exists():
            continue
        if not point.create_source:
            raise InvalidArgument(
                'invalid mount config for type "bind": '
                f"bind source path does not exist: {point.source}"
            )
        try:
            source.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(
                f"error while creating mount source path '{point.source}': {error}"
            ) from error
