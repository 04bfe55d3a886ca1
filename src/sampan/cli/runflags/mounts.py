"""`--mount type=bind,src=/host,dst=/inside,readonly` and `-v`, `--tmpfs`."""

from __future__ import annotations

import os

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEYS = {
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
}
_FLAGS = frozenset({"readonly", "ro", "volume-nocopy", "bind-nonrecursive"})
# Option -> (member of the mount, key inside it).
_OPTIONS = {
    "bind-propagation": ("BindOptions", "Propagation"),
    "bind-nonrecursive": ("BindOptions", "NonRecursive"),
    "bind-recursive": ("BindOptions", ""),
    "volume-nocopy": ("VolumeOptions", "NoCopy"),
    "volume-label": ("VolumeOptions", "Labels"),
    "volume-driver": ("VolumeOptions", "DriverConfig"),
    "volume-opt": ("VolumeOptions", "DriverConfig"),
    "volume-subpath": ("VolumeOptions", "Subpath"),
    "image-subpath": ("ImageOptions", "Subpath"),
    "tmpfs-size": ("TmpfsOptions", "SizeBytes"),
    "tmpfs-mode": ("TmpfsOptions", "Mode"),
}
_FAMILIES = {
    "BindOptions": "bind",
    "VolumeOptions": "volume",
    "ImageOptions": "image",
    "TmpfsOptions": "tmpfs",
}
_RECURSION = {
    "enabled": {},
    "disabled": {"NonRecursive": True},
    "writable": {"ReadOnlyNonRecursive": True},
    "readonly": {"ReadOnlyForceRecursive": True},
}


def fields_of(text: str) -> list[str]:
    """The comma-separated fields; a field in double quotes may hold commas."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]))


def truth(text: str, word: str) -> bool:
    if text in {"1", "true", "TRUE", "True", "t", "T"}:
        return True
    if text in {"0", "false", "FALSE", "False", "f", "F"}:
        return False
    raise ValueError(f"invalid value for {word}: {text}")


class _Mount:
    """One --mount under construction."""

    def __init__(self) -> None:
        self.kind = "volume"
        self.plain: dict[str, object] = {}
        self.read_only = False
        self.options: dict[str, dict[str, Any]] = {}

    def take(self, field: str) -> None:
        name, equals, value = field.partition("=")
        key = name.lower()
        if not equals and key not in _FLAGS:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        if key == "type":
            self.kind = value.lower()
        elif key in {"readonly", "ro"}:
            self.read_only = truth(value, key) if equals else True
        elif key in _KEYS:
            relative = _KEYS[key] == "Source" and value.startswith(".")
            self.plain[_KEYS[key]] = os.path.abspath(value) if relative else value  # noqa: PTH100
        elif key in _OPTIONS:
            self._option(key, value if equals else "true")
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")

    def _option(self, key: str, value: str) -> None:
        family, name = _OPTIONS[key]
        held = self.options.setdefault(family, {})
        if key in _FLAGS:
            held[name] = truth(value, key)
        elif key == "bind-recursive":
            if value not in _RECURSION:
                raise ValueError(f"invalid value for bind-recursive: {value}")
            held.update(_RECURSION[value])
        elif key == "volume-label":
            label, _, text = value.partition("=")
            held.setdefault("Labels", {})[label] = text
        elif key == "volume-driver":
            held.setdefault("DriverConfig", {})["Name"] = value
        elif key == "volume-opt":
            option, _, text = value.partition("=")
            held.setdefault("DriverConfig", {}).setdefault("Options", {})[option] = text
        elif key == "tmpfs-size":
            held[name] = _size(value)
        elif key == "tmpfs-mode":
            held[name] = _mode(value)
        else:
            held[name] = value

    def result(self) -> dict[str, object]:
        if not self.kind:
            raise ValueError("type is required")
        if not self.plain.get("Target"):
            raise ValueError("target is required")
        for family, word in _FAMILIES.items():
            if family in self.options and self.kind != word:
                raise ValueError(f"cannot mix '{word}-*' options with mount type '{self.kind}'")
        mount: dict[str, object] = {"Type": self.kind}
        mount.update({key: self.plain[key] for key in ("Source", "Target") if self.plain.get(key)})
        if self.read_only:
            mount["ReadOnly"] = True
        if self.plain.get("Consistency"):
            mount["Consistency"] = self.plain["Consistency"]
        mount.update(self.options)
        return mount


def _size(text: str) -> int:
    from sampan.lib.units import parse_size_bytes

    try:
        return parse_size_bytes(text)
    except ValueError as error:
        raise ValueError(f"invalid value for tmpfs-size: {text}") from error


def _mode(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError as error:
        raise ValueError(f"invalid value for tmpfs-mode: {text}") from error


def parse_mount(text: str) -> dict[str, object]:
    """The API's Mount for one --mount. Raises ValueError with Docker's text."""
    mount = _Mount()
    for field in fields_of(text):
        mount.take(field)
    return mount.result()


def split_volumes(specs: list[str]) -> tuple[list[str], dict[str, object]]:
    """Binds (host path or volume name first) and anonymous volumes of the -v flags."""
    binds: list[str] = []
    anonymous: dict[str, object] = {}
    for spec in specs:
        if not spec:
            raise InvalidArgument("invalid empty volume spec")
        source, colon, rest = spec.partition(":")
        if not colon:
            anonymous[spec] = {}
            continue
        if source.startswith(".") or source == "~":
            source = os.path.abspath(source)  # noqa: PTH100 - pathlib costs 4 ms
        binds.append(f"{source}:{rest}")
    return binds, anonymous


def tmpfs(specs: list[str]) -> dict[str, str]:
    return {path: options for path, _, options in (spec.partition(":") for spec in specs)}
