"""`RUN --mount=type=...,key=value`: the fields of one mount, and what they mean together.

A mount is read in two steps, because values may hold variables: `read_mount` takes the fields
apart when the Dockerfile is parsed (and refuses what no value could make right: `from` can't hold
a variable), `resolve_mount` expands the values and checks them when the stage is lowered. Messages
are BuildKit's. Pure.
"""

import csv
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sampan.errors import InvalidArgument
from sampan.lib.units import parse_size_bytes

Expand = Callable[[str], str]


class MountKind(StrEnum):
    BIND = "bind"
    CACHE = "cache"
    TMPFS = "tmpfs"
    SECRET = "secret"  # noqa: S105 - the word of the language
    SSH = "ssh"


class Sharing(StrEnum):
    """What happens when two steps want one cache: both write, each has its own, one waits."""

    SHARED = "shared"
    PRIVATE = "private"
    LOCKED = "locked"


class BadMount(InvalidArgument):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMount:
    """One mount, whole. `source_name` is a stage, a named context or an image; None for `mode`,
    `uid` and `gid` means that nothing was said."""

    kind: MountKind = MountKind.BIND
    target: str = ""
    source: str = ""
    source_name: str = ""
    readonly: bool = True
    id: str = ""
    sharing: Sharing = Sharing.SHARED
    size_bytes: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    required: bool = False
    env: str = ""


@dataclass(frozen=True, slots=True)
class MountFields:
    """As written; `source_name` can't vary, `source` and `kind` may hold variables."""

    fields: tuple[str, ...]
    source_name: str
    source: str
    kind: str


_TARGET, _SOURCE = "target", "source"
_ALIASES = {
    "dst": _TARGET,
    "destination": _TARGET,
    "src": _SOURCE,
    "ro": "readonly",
    "rw": "readwrite",
}
_KEYS = frozenset(
    {
        *(_TARGET, _SOURCE, "readonly", "readwrite", "type", "from", "id", "sharing"),
        *("required", "size", "mode", "uid", "gid", "env"),
    }
)
_SWITCHES = frozenset({"readonly", "readwrite", "required"})
_LENT = (MountKind.SECRET, MountKind.SSH)
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def read_mount(text: str) -> MountFields:
    """Raises BadMount."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise BadMount(f"failed to parse csv mounts: {error}") from error
    fields = tuple(rows[0]) if rows else ()
    source_name, source, kind = "", "", MountKind.BIND.value
    for field in fields:
        name, equals, value = _split(field)
        if name not in _KEYS:
            raise BadMount(f"unexpected key '{name}' in '{field}'")
        if not equals and name not in _SWITCHES:
            raise BadMount(f"invalid field '{field}' must be a key=value pair")
        if name == "from":
            if re.search(r"\$.", value):
                raise BadMount(
                    "'from' doesn't support variable expansion, define alias stage instead"
                )
            source_name = value
        elif name == _SOURCE:
            source = value
        elif name == "type":
            kind = value
    return MountFields(fields, source_name, source, kind)


def resolve_mount(raw: MountFields, expand: Expand) -> RunMount:
    """Raises BadMount, and what `expand` raises."""
    values: dict[str, tuple[str, str, str]] = {}
    readonly: bool | None = None
    for field in raw.fields:
        name, equals, value = _split(field)
        value = value if name == "from" else expand(value)
        key = field.partition("=")[0].lower()
        if name in {"readonly", "readwrite"}:
            given = _truth(key, value) if equals else True
            readonly = given if name == "readonly" else not given
        else:
            values[name] = (key, value, equals)
    return _checked(_mount(values), set(values), readonly)


def _mount(values: dict[str, tuple[str, str, str]]) -> RunMount:
    def text(name: str) -> str:
        return values[name][1] if name in values else ""

    def number(name: str, base: int) -> int | None:
        return _number(name, text(name), base) if name in values else None

    kind = _kind(text("type")) if "type" in values else MountKind.BIND
    required = False
    if "required" in values:
        key, value, equals = values["required"]
        _only(key, kind, _LENT)
        required = _truth(key, value) if equals else True
    if "size" in values:
        _only("size", kind, (MountKind.TMPFS,))
    return RunMount(
        kind=kind,
        target=text(_TARGET),
        source=text(_SOURCE),
        source_name=text("from"),
        id=text("id"),
        sharing=_sharing(text("sharing"), kind) if "sharing" in values else Sharing.SHARED,
        size_bytes=_size(text("size")) if "size" in values else 0,
        mode=number("mode", 8),
        uid=number("uid", 10),
        gid=number("gid", 10),
        required=required,
        env=text("env"),
    )


def _checked(mount: RunMount, given: set[str], readonly: bool | None) -> RunMount:
    """What the fields mean together."""
    if mount.kind in {MountKind.BIND, MountKind.TMPFS}:
        for name in ("mode", "uid", "gid"):
            if name in given:
                raise BadMount(f'{name} not allowed for "{mount.kind}" type mounts')
    if readonly is None:
        readonly = mount.kind not in {MountKind.CACHE, MountKind.TMPFS}
    mount = replace(mount, readonly=readonly)
    if mount.kind is MountKind.SECRET:
        return _secret(mount)
    if mount.kind is MountKind.SSH:
        return replace(mount, id=mount.id or "default")
    if not mount.target:
        raise BadMount(f"{mount.kind} mount requires a target")
    if mount.kind is MountKind.CACHE and not mount.id:
        return replace(mount, id=posixpath.normpath(mount.target))
    return mount


def _secret(mount: RunMount) -> RunMount:
    """`source` is another word for `id`; without any, the target's last element is the id."""
    if mount.source_name:
        raise BadMount("secret mount should not have a from")
    if not (mount.source or mount.target or mount.id):
        raise BadMount("invalid secret mount. one of source, target required")
    if mount.source and mount.id:
        raise BadMount("both source and id can't be set")
    name = mount.source or mount.id or posixpath.basename(mount.target)
    target = mount.target
    if not target and not mount.env:
        target = f"/run/secrets/{posixpath.basename(name)}"
    return replace(mount, id=name, source="", target=target)


def _split(field: str) -> tuple[str, str, str]:
    name, equals, value = field.partition("=")
    name = name.lower()
    return _ALIASES.get(name, name), equals, value


def _kind(text: str) -> MountKind:
    try:
        return MountKind(text)
    except ValueError:
        raise BadMount(f'unsupported mount type "{text}"') from None


def _sharing(text: str, kind: MountKind) -> Sharing:
    if kind is not MountKind.CACHE:
        raise BadMount(f"invalid cache sharing set for {kind} mount")
    try:
        return Sharing(text)
    except ValueError:
        raise BadMount(f'unsupported sharing value "{text}"') from None


def _only(key: str, kind: MountKind, allowed: Sequence[MountKind]) -> None:
    if kind not in allowed:
        raise BadMount(f"unexpected key '{key}' for mount type '{kind}'")


def _truth(key: str, text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise BadMount(f"invalid value for {key}: {text}")


def _size(text: str) -> int:
    try:
        return parse_size_bytes(text)
    except ValueError:
        raise BadMount(f"invalid value for size: {text}") from None


def _number(name: str, text: str, base: int) -> int:
    digits = "01234567" if base == 8 else "0123456789"
    if not text or text.strip(digits) or len(text) > 12 or int(text, base) >= 1 << 32:
        raise BadMount(f"invalid value {text} for {name}")
    return int(text, base)
