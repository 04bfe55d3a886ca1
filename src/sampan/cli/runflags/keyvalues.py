"""Environment and labels: from flags and from files of lines."""

from __future__ import annotations

import os

from sampan.cli.archive import reason
from sampan.errors import InvalidArgument

_BLANK = " \t"


def read_lines(path: str) -> list[str]:
    """NAME=value lines; comments and empty lines are skipped.

    A bare NAME takes our own value, and is dropped when we have none. Raises InvalidArgument.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123 - pathlib costs 4 ms
            lines = file.read().splitlines()
    except OSError as error:
        raise InvalidArgument(f"open {path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{path}: contains invalid utf8 bytes") from error
    found: list[str] = []
    for line in lines:
        text = line.lstrip(_BLANK)
        if not text or text.startswith("#"):
            continue
        name, equals, _ = text.partition("=")
        if any(blank in name for blank in _BLANK):
            raise InvalidArgument(f"{path}: variable '{name}' contains whitespaces")
        if not name:
            raise InvalidArgument(f"{path}: no variable name on line '{line}'")
        if equals:
            found.append(text)
        elif name in os.environ:
            found.append(f"{name}={os.environ[name]}")
    return found


def environment(files: list[str], given: list[str]) -> list[str]:
    """Files first, so that flags win."""
    found: list[str] = []
    for path in files:
        found += read_lines(path)
    return found + given


def labels(files: list[str], given: list[str]) -> dict[str, str]:
    lines: list[str] = []
    for path in files:
        lines += read_lines(path)
    pairs = (line.partition("=") for line in [*lines, *given])
    return dict(sorted((name, value) for name, _, value in pairs))
