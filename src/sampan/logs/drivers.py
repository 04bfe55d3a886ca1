"""Log drivers by name, and the checking of their options in dockerd's words.

`json-file` and `local` are both written by the monitor in the json-file format and differ in what
they keep by default: three files of 10 MB, or five of 20 MiB, compressed. With json-file a
`max-size` of one's own means what it means to dockerd: one file, unless there's a `max-file`;
-1 is no limit. `syslog` and `journald` lines are sent by the monitor; the latter can be read back
(`journal`). `none` keeps nothing. Other drivers need plugins and are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.logs import receivers, tags

_ATTRIBUTES = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_BUFFERING = frozenset({"mode", "max-buffer-size"})
_ROTATION = frozenset({"max-size", "max-file", "compress"})
DRIVERS: dict[str, frozenset[str]] = {  # name -> options
    "journald": _ATTRIBUTES,
    "json-file": _ATTRIBUTES | _ROTATION,
    "local": _ATTRIBUTES | _ROTATION,
    "none": frozenset(),
    "syslog": _ATTRIBUTES | receivers.SYSLOG_OPTIONS,
}
DEFAULT = "json-file"
BUFFER_BYTES = 1 << 20
_UNLIMITED = "-1"
_HUMAN_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    max_size_bytes: int | None = None  # None: no limit
    max_files: int = 1
    compress: bool = False


_DEFAULTS = {
    "json-file": Rotation(max_size_bytes=10_000_000, max_files=3, compress=True),
    "local": Rotation(max_size_bytes=20 << 20, max_files=5, compress=True),
}


@dataclass(frozen=True, slots=True)
class Buffering:
    """What waits for a receiver; beyond it lines are dropped, or the container waits."""

    size_bytes: int
    drops: bool


class UnknownDriver(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"logger: no log driver named '{name}' is registered")


def writes_file(driver: str) -> bool:
    """Whether there is a file of our own, which can be read back."""
    return driver in _DEFAULTS


def check(driver: str, options: Mapping[str, str]) -> None:
    """Raises InvalidArgument."""
    if driver not in DRIVERS:
        raise UnknownDriver(driver)
    for name in sorted(options):
        if name not in DRIVERS[driver] | _BUFFERING:
            raise InvalidArgument(f"unknown log opt '{name}' for {driver} log driver")
    buffering(options)
    for name in ("labels-regex", "env-regex"):
        tags.pattern(options.get(name, ""))
    tags.render(options.get("tag", ""), tags.NOTHING)
    if driver == "syslog":
        receivers.check_syslog(options)
    if driver in _DEFAULTS:
        rotation(driver, options)


def buffering(options: Mapping[str, str]) -> Buffering:
    mode = options.get("mode", "")
    if mode not in {"", "blocking", "non-blocking"}:
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    drops = mode == "non-blocking"
    if "max-buffer-size" not in options:
        return Buffering(BUFFER_BYTES, drops)
    if not drops:
        raise InvalidArgument(
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
        )
    return Buffering(_size("max-buffer-size", options["max-buffer-size"], unit=1024), drops)


def rotation(driver: str, options: Mapping[str, str]) -> Rotation:
    """What the options of a driver that writes a file amount to. Raises InvalidArgument."""
    default = _DEFAULTS[driver]
    size, files = default.max_size_bytes, default.max_files
    if "max-size" in options:
        unlimited = options["max-size"] == _UNLIMITED
        size = None if unlimited else _size("max-size", options["max-size"], unit=1000)
        files = 1 if driver == DEFAULT else files
    if "max-file" in options:
        files = _count(options["max-file"])
    useful = size is not None and files > 1
    if "compress" not in options:
        return Rotation(max_size_bytes=size, max_files=files, compress=useful)
    compress = _flag(options["compress"])
    if compress and not useful and driver == DEFAULT:
        raise InvalidArgument(
            "compress cannot be true when max-file is less than 2 or max-size is not set"
        )
    return Rotation(max_size_bytes=size, max_files=files, compress=compress and useful)


def _size(name: str, text: str, *, unit: int) -> int:
    match = _HUMAN_SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidArgument(f"invalid size: '{text}'")
    found = int(float(match[1]) * unit ** " kmgtp".index(match[2] or " "))
    if found <= 0:
        raise InvalidArgument(f"{name} must be a positive number")
    return found


def _count(text: str) -> int:
    try:
        found = int(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid value for max-file: {text}") from error
    if found < 1:
        raise InvalidArgument("max-file cannot be less than 1")
    return found


def _flag(text: str) -> bool:
    if text.lower() in {"true", "1", "t"}:
        return True
    if text.lower() in {"false", "0", "f"}:
        return False
    raise InvalidArgument(f"invalid value for compress: {text}")
