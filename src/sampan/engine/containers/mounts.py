"""From `-v`, `--mount`, `--tmpfs`, `--volumes-from` and an image's VOLUMEs to resolved mounts.

Pure: volumes are only named here (an empty name: anonymous), `create.py` makes them. Later kinds
win over earlier ones at one destination, in this order, and two of the middle ones clash::

    volumes-from < binds (-v), --mount, --tmpfs    ; an image's VOLUME only where nothing else is

Messages are dockerd's, which clients show as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from posixpath import normpath

from sampan.engine.containers.record import MountPoint
from sampan.errors import InvalidArgument
from sampan.wire.containers import ContainerConfig, HostSettings, Mount

_RW = {"rw", "ro"}
_LABELS = {"z", "Z"}
_PROPAGATION = {"private", "rprivate", "slave", "rslave", "shared", "rshared"}
_COPY = {"nocopy"}
_CONSISTENCY = {"consistent", "cached", "delegated", "default"}
_KINDS = (_RW, _LABELS, _PROPAGATION, _COPY, _CONSISTENCY)

TMPFS_DEFAULTS = ("nosuid", "nodev", "noexec")


class InvalidMode(InvalidArgument):
    def __init__(self, mode: str) -> None:
        super().__init__(f"invalid mode: {mode}")


class InvalidVolumeSpec(InvalidArgument):
    def __init__(self, text: str, reason: str = "") -> None:
        detail = f": {reason}" if reason else ""
        super().__init__(f"invalid volume specification: '{text}'{detail}")


class InvalidMount(InvalidArgument):
    def __init__(self, kind: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f'invalid mount config for type "{kind}": {reason}', hint=hint)


class NoBindSource(InvalidMount):
    """`-v` would have made the directory, `--mount` is for what is there."""

    def __init__(self, source: str) -> None:
        super().__init__(
            "bind",
            f"bind source path does not exist: {source}",
            hint="make it first, or let -v make the directory",
        )


@dataclass(frozen=True, slots=True)
class MountPlan:
    """A mount, and how to make its volume if that doesn't exist."""

    point: MountPoint
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    must_exist: bool = False  # a bind whose source isn't made


def plan_mounts(
    config: ContainerConfig,
    host: HostSettings,
    mounts_of: Callable[[str], Iterable[MountPoint]],
) -> list[MountPlan]:
    """`mounts_of` gives the mounts of another container (raises NotFound)."""
    found: dict[str, MountPlan] = {}
    for text in host.VolumesFrom or ():
        for point in _inherited(text, mounts_of):
            found[point.destination] = MountPlan(point)
    own: dict[str, MountPlan] = {}
    for plan in _requested(host):
        _check_no_nul(plan.point)
        if plan.point.destination in own:
            raise InvalidArgument(f"Duplicate mount point: {plan.point.destination}")
        own[plan.point.destination] = plan
    tmpfs = {_destination("tmpfs", path) for path in host.Tmpfs or ()}
    for path in sorted(tmpfs):
        if path in own:
            raise InvalidArgument(f"Duplicate mount point: {path}")
        found.pop(path, None)
    found.update(own)
    for path in sorted(config.Volumes or ()):
        destination = _destination("volume", "/" + path.partition(":")[0])
        if destination not in found and destination not in tmpfs:
            point = MountPoint(
                "volume", destination, driver=host.VolumeDriver, copy_up=True, own=True
            )
            found[destination] = MountPlan(point)
    return list(found.values())


def _check_no_nul(point: MountPoint) -> None:
    """The kernel's names end there."""
    if "\0" in f"{point.source}{point.destination}{point.subpath}":
        raise InvalidMount(point.type, "paths can't contain null characters")


def _requested(host: HostSettings) -> Iterable[MountPlan]:
    for text in host.Binds or ():
        yield MountPlan(parse_bind(text, driver=host.VolumeDriver))
    for mount in host.Mounts or ():
        yield plan_mount(mount)


# --- volumes-from -------------------------------------------------------------------------------


def _inherited(text: str, mounts_of: Callable[[str], Iterable[MountPoint]]) -> Iterable[MountPoint]:
    if not text:
        raise InvalidArgument("volumes-from specification cannot be an empty string")
    name, _, mode = text.partition(":")
    words = _mode_words(mode)
    if words & (_COPY | _PROPAGATION):
        raise InvalidMode(mode)
    for point in mounts_of(name):
        yield replace(point, rw=point.rw and "ro" not in words, mode="", copy_up=False)


# --- -v -----------------------------------------------------------------------------------------


def parse_bind(text: str, *, driver: str = "") -> MountPoint:
    """`[source:]destination[:mode]`."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidVolumeSpec(text)
    if len(parts) == 2 and _is_mode(parts[1]):
        raise InvalidVolumeSpec(text)
    source = parts[0] if len(parts) > 1 else ""
    mode = parts[2] if len(parts) == 3 else ""
    words = _mode_words(mode)
    kind = "bind" if source.startswith("/") else "volume"
    try:
        destination = _destination(kind, parts[1] if len(parts) > 1 else parts[0])
        _check_words(kind, words)
    except InvalidMount as error:
        raise InvalidVolumeSpec(text, error.message) from error
    if kind == "bind":
        return MountPoint(
            kind,
            destination,
            source=normpath(source),
            mode=mode,
            rw="ro" not in words,
            propagation=next(iter(words & _PROPAGATION), "rprivate"),
            create_source=True,
        )
    return MountPoint(
        kind,
        destination,
        name=source,
        driver=driver,
        mode=mode or "z",
        rw="ro" not in words,
        copy_up="nocopy" not in words,
        own=not source,
    )


def _check_words(kind: str, words: set[str]) -> None:
    if kind == "bind" and words & _COPY:
        raise InvalidMount(kind, "field VolumeOptions must not be specified")
    if kind == "volume" and words & _PROPAGATION:
        raise InvalidMount(kind, "field BindOptions must not be specified")


def _is_mode(text: str) -> bool:
    words = text.split(",")
    return all(any(word in kind for kind in _KINDS) for word in words)


def _mode_words(mode: str) -> set[str]:
    """At most one word of each kind. Raises InvalidMode."""
    if not mode:
        return set()
    words = mode.split(",")
    if not _is_mode(mode) or any(sum(word in kind for word in words) > 1 for kind in _KINDS):
        raise InvalidMode(mode)
    return set(words)


# --- --mount ------------------------------------------------------------------------------------


def plan_mount(mount: Mount) -> MountPlan:
    if not mount.Target:
        raise InvalidMount(mount.Type, "field Target must not be empty")
    match mount.Type:
        case "bind":
            return _bind_plan(mount)
        case "volume":
            return _volume_plan(mount)
        case "tmpfs":
            return _tmpfs_plan(mount)
        case "image":
            return _image_plan(mount)
    raise InvalidMount(mount.Type, "mount type unknown")


def _forbid(mount: Mount, *names: str) -> None:
    for name in names:
        if getattr(mount, name):
            raise InvalidMount(mount.Type, f"field {name} must not be specified")


def _bind_plan(mount: Mount) -> MountPlan:
    if not mount.Source:
        raise InvalidMount("bind", "field Source must not be empty")
    _forbid(mount, "VolumeOptions", "TmpfsOptions", "ImageOptions")
    options = mount.BindOptions
    if options and options.Propagation and options.Propagation not in _PROPAGATION:
        raise InvalidMount("bind", f"invalid propagation mode: {options.Propagation}")
    if not mount.Source.startswith("/"):
        raise InvalidMount(
            "bind", f"invalid mount path: '{mount.Source}' mount path must be absolute"
        )
    create = bool(options and options.CreateMountpoint)
    point = MountPoint(
        "bind",
        _destination("bind", mount.Target),
        source=normpath(mount.Source),
        rw=not mount.ReadOnly,
        propagation=(options.Propagation if options else "") or "rprivate",
        create_source=create,
        recursive=not (options and options.NonRecursive),
        read_only_below=not (options and options.ReadOnlyNonRecursive),
    )
    return MountPlan(point, must_exist=not create)


def _volume_plan(mount: Mount) -> MountPlan:
    _forbid(mount, "BindOptions", "TmpfsOptions", "ImageOptions")
    options = mount.VolumeOptions
    driver = options.DriverConfig if options else None
    if options and options.Subpath:
        if not mount.Source:
            raise InvalidMount("volume", "must not set Subpath when using anonymous volumes")
        _check_subpath("volume", options.Subpath)
    point = MountPoint(
        "volume",
        _destination("volume", mount.Target),
        name=mount.Source,
        driver=driver.Name if driver else "",
        mode="z",
        rw=not mount.ReadOnly,
        subpath=options.Subpath if options else "",
        copy_up=not (options and options.NoCopy),
        own=not mount.Source,
    )
    return MountPlan(
        point,
        options=(driver.Options if driver else None) or {},
        labels=(options.Labels if options else None) or {},
    )


def _tmpfs_plan(mount: Mount) -> MountPlan:
    _forbid(mount, "BindOptions", "VolumeOptions", "ImageOptions", "Source")
    options = mount.TmpfsOptions
    words = list(TMPFS_DEFAULTS)
    if options and options.Mode:
        words.append(f"mode={options.Mode:o}")
    if options and options.SizeBytes:
        if options.SizeBytes < 0:
            raise InvalidMount("tmpfs", "size must not be negative")
        words.append(f"size={options.SizeBytes}")
    words += ["=".join(pair) for pair in (options.Options if options else None) or ()]
    point = MountPoint(
        "tmpfs", _destination("tmpfs", mount.Target), rw=not mount.ReadOnly, options=tuple(words)
    )
    return MountPlan(point)


def _image_plan(mount: Mount) -> MountPlan:
    _forbid(mount, "BindOptions", "VolumeOptions", "TmpfsOptions")
    if not mount.Source:
        raise InvalidMount("image", "field Source must not be empty")
    subpath = mount.ImageOptions.Subpath if mount.ImageOptions else ""
    if subpath:
        _check_subpath("image", subpath)
    point = MountPoint(
        "image",
        _destination("image", mount.Target),
        name=mount.Source,
        rw=False,
        subpath=subpath,
    )
    return MountPlan(point)


def _check_subpath(kind: str, subpath: str) -> None:
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise InvalidMount(kind, "subpath must be a relative path within the volume")


def tmpfs_options(text: str) -> tuple[str, ...]:
    """`--tmpfs path:options`: the defaults, then what was asked; later words win."""
    return (*TMPFS_DEFAULTS, *(word for word in text.split(",") if word))


def _destination(kind: str, path: str) -> str:
    if not path.startswith("/"):
        raise InvalidMount(kind, f"invalid mount path: '{path}' mount path must be absolute")
    clean = "/" + normpath(path).lstrip("/")
    if clean == "/":
        raise InvalidMount(kind, "invalid specification: destination can't be '/'")
    return clean
