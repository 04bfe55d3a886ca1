"""Log drivers by name, and the checking of their options in dockerd's words.

`json-file` and `local` are both written by the monitor in the json-file format (`local` differs in
its defaults: five files of 20 MB, compressed); `none` keeps nothing. Others need a daemon of their
own and are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidArgument

_ATTRIBUTES = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_BUFFERING = frozenset({"mode", "max-buffer-size"})
_ROTATION = frozenset({"max-size", "max-file", "compress"})
DRIVERS: dict[str, frozenset[str]] = {  # name -> options
    "json-file": _ATTRIBUTES | _ROTATION,
    "local": _ATTRIBUTES | _ROTATION,
    "none": frozenset(),
}
DEFAULT = "json-file"
_HUMAN_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)b?")  # decimal here, unlike memory sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    max_size_bytes: int | None = None
    max_files: int = 1
    compress: bool = False


class UnknownDriver(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"logger: no log driver named '{name}' is registered")


def can_read(driver: str) -> bool:
    return driver in {"json-file", "local"}


def check(driver: str, options: Mapping[str, str]) -> Rotation:
    """The rotation that the options amount to. Raises InvalidArgument."""
    if driver not in DRIVERS:
        raise UnknownDriver(driver)
    for name in sorted(options):
        if name not in DRIVERS[driver] | _BUFFERING:
            raise InvalidArgument(f"unknown log opt '{name}' for {driver} log driver")
    if options.get("mode", "") not in {"", "blocking", "non-blocking"}:
        raise InvalidArgument(f"logger: logging mode not supported: {options['mode']}")
    if "max-buffer-size" in options:
        if options.get("mode") != "non-blocking":
            raise InvalidArgument(
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
            )
        _size("max-buffer-size", options["max-buffer-size"])
    for name in ("labels-regex", "env-regex"):
        _pattern(options.get(name, ""))
    return _rotation(driver, options)


def _rotation(driver: str, options: Mapping[str, str]) -> Rotation:
    local = driver == "local"
    size = _size("max-size", options["max-size"]) if "max-size" in options else None
    if size is None and local:
        size = 20 << 20
    files = _count(options["max-file"]) if "max-file" in options else (5 if local else 1)
    compress = _flag(options["compress"]) if "compress" in options else local
    if compress and not local and (size is None or files < 2):
        raise InvalidArgument(
            "compress cannot be true when max-file is less than 2 or max-size is not set"
        )
    return Rotation(max_size_bytes=size, max_files=files, compress=compress and files > 1)


def _size(name: str, text: str) -> int:
    match = _HUMAN_SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidArgument(f"invalid size: '{text}'")
    found = int(float(match[1]) * 1000 ** " kmgtp".index(match[2] or " "))
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


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidArgument(f"invalid regular expression '{text}': {error}") from error


def attributes(
    options: Mapping[str, str],
    *,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    tag_facts: Mapping[str, str],
) -> dict[str, str]:
    """What every record carries: chosen labels and variables, and a tag.

    `tag_facts` are the template's fields (ID, FullID, Name, ImageName, ImageID, ...).
    """
    found: dict[str, str] = {}
    for chosen, source in ((options.get("labels"), labels), (options.get("env"), env)):
        for name in (chosen or "").split(","):
            if name.strip() in source:
                found[name.strip()] = source[name.strip()]
    for regex, source in ((options.get("labels-regex"), labels), (options.get("env-regex"), env)):
        if regex:
            pattern = _pattern(regex)
            found.update({name: text for name, text in source.items() if pattern.search(name)})
    if tag := options.get("tag"):
        found["tag"] = re.sub(
            r"\{\{\s*\.(\w+)\s*\}\}", lambda field: tag_facts.get(field[1], ""), tag
        )
    return found
