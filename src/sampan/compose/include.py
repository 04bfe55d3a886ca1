"""`include`: other projects' files, loaded with their own directory and `.env`, then added.

An included project is complete by itself: its relative paths are its own. What both define must be
equal, or it is a conflict.
"""

from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any

from sampan.compose.environment import read_env_files
from sampan.compose.failures import BadKey, FileMissing
from sampan.compose.files import refuse_remote
from sampan.lib.records import Record

_KINDS = ("services", "volumes", "networks", "secrets", "configs", "models")


class Included(Record, frozen=True):
    """One entry of `include`: what to load and with which surroundings."""

    files: tuple[str, ...]
    directory: FilePath
    environment: Mapping[str, str]


LoadModel = Callable[[Included], dict[str, Any]]


def apply_include(
    tree: dict[str, Any],
    directory: FilePath,
    environment: Mapping[str, str],
    trail: tuple[str, ...],
    load: LoadModel,
) -> None:
    """Adds what the tree's `include` names and drops the key; `trail` are the files above."""
    entries = tree.pop("include", None)
    if entries is None:
        return
    if not isinstance(entries, list):
        raise BadKey(("include",), "`include` must be a list", whole=True)
    for index, entry in enumerate(entries):
        place = ("include", str(index))
        included = _included(entry, directory, environment, trail, place)
        _add(load(included), tree, place)


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value or ()]


def _included(
    entry: Any,
    directory: FilePath,
    environment: Mapping[str, str],
    trail: tuple[str, ...],
    place: tuple[str, ...],
) -> Included:
    long = {"path": entry} if isinstance(entry, str) else entry
    if not isinstance(long, dict) or not long.get("path"):
        raise BadKey(place, "missing property 'path'", joint=" ")
    paths = _texts(long["path"])
    for path in paths:
        refuse_remote(path)
    files = [str(directory / path) for path in paths]
    if files[0] in trail:
        steps = "\n include ".join([*trail[1:], files[0]])
        raise BadKey(place, f"include cycle detected:\n{trail[0]}\n include {steps}", whole=True)
    own = directory / long["project_directory"] if long.get("project_directory") else None
    home = own or FilePath(files[0]).parent
    env_files = [str(directory / each) for each in _texts(long.get("env_file"))]
    if not env_files and (home / ".env").is_file():
        env_files = [str(home / ".env")]
    for path in files:
        if not FilePath(path).is_file():
            raise BadKey(place, f"open {path}: no such file or directory", whole=True)
    try:
        added = read_env_files(env_files, environment)
    except FileMissing as error:
        raise BadKey(place, error.message, whole=True) from error
    return Included(tuple(files), home, {**added, **environment})


def _add(source: dict[str, Any], target: dict[str, Any], place: tuple[str, ...]) -> None:
    for kind in _KINDS:
        found = source.get(kind)
        if not found:
            continue
        own = target.get(kind) or {}
        for name, value in found.items():
            if name in own and own[name] != value:
                raise BadKey((kind, name), "conflicts with imported resource", joint=" ")
            own[name] = value
        target[kind] = own
