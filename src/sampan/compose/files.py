"""Which files make a project, where it lives and what it's called, as Docker Compose decides it."""

import os.path
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sampan.compose.environment import read_env_files
from sampan.compose.failures import FileMissing
from sampan.errors import InvalidArgument, NotFound, Unsupported
from sampan.lib.records import Record

DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_FILES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_REMOTE = ("https://", "http://", "git@", "git://", "ssh://", "oci://", "github.com/")
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}


class NoComposeFile(NotFound):
    def __init__(self) -> None:
        super().__init__("no configuration file provided: not found")


class BadProjectName(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(
            f'invalid project name "{name}": must consist only of lowercase alphanumeric '
            "characters, hyphens, and underscores as well as start with a letter or number"
        )


def refuse_remote(path: str) -> None:
    if path.startswith(_REMOTE):
        raise Unsupported(f"{path}: Compose files are read from local files only")


class Places(Record, frozen=True):
    """The outcome: absolute files (or `-`), the project's directory, all variables."""

    files: tuple[str, ...]
    directory: Path
    environment: dict[str, str]
    env_files: tuple[str, ...]
    warnings: tuple[str, ...]


def find_places(
    *,
    files: Sequence[str],
    project_directory: str,
    env_files: Sequence[str],
    environment: Mapping[str, str],
    working_directory: Path,
) -> Places:
    """Raises NoComposeFile, FileMissing, Unsupported for files elsewhere."""
    for file in files:
        refuse_remote(file)
    variables = {"PWD": str(working_directory), **environment}
    given = tuple(env_files) or tuple(
        filter(None, variables.get("COMPOSE_ENV_FILES", "").split(","))
    )
    wanted = _absolute(working_directory, project_directory) if project_directory else None
    found = tuple(_absolute(working_directory, file) for file in files)
    warnings: list[str] = []

    def directory() -> Path:
        first = next((file for file in found if file != "-"), None)
        return Path(wanted or (str(Path(first).parent) if first else working_directory))

    def add_variables() -> None:
        paths = [_absolute(working_directory, file) for file in given]
        if not paths and variables.get("COMPOSE_DISABLE_ENV_FILE") not in _TRUE:
            default = directory() / ".env"
            paths = [str(default)] if default.is_file() else []
        for name, value in read_env_files(paths, variables).items():
            variables.setdefault(name, value)

    add_variables()
    if not found and "COMPOSE_FILE" in variables:
        separator = variables.get("COMPOSE_PATH_SEPARATOR") or ":"
        names = variables["COMPOSE_FILE"].split(separator)
        found = tuple(_absolute(working_directory, name) for name in names)
    if not found:
        found = _search(directory(), warnings)
    if not found:
        raise NoComposeFile
    add_variables()
    for file in found:
        if file != "-" and not Path(file).exists():
            raise FileMissing(f"open {file}: no such file or directory")
    return Places(found, directory(), variables, given, tuple(warnings))


def _absolute(base: Path, name: str) -> str:
    """`-` is standard input and stays; `..` goes without following links, as in Go."""
    return name if name == "-" else os.path.normpath(base / name)


def _search(start: Path, warnings: list[str]) -> tuple[str, ...]:
    for folder in (start, *start.parents):
        main = _named(folder, DEFAULT_FILES)
        if not main:
            continue
        if len(main) > 1:
            warnings += [
                f"Found multiple config files with supported names: {', '.join(main)}",
                f"Using {main[0]}",
            ]
        over = _named(folder, OVERRIDE_FILES)
        if len(over) > 1:
            warnings += [
                f"Found multiple override files with supported names: {', '.join(over)}",
                f"Using {over[0]}",
            ]
        return (main[0], *over[:1])
    return ()


def _named(folder: Path, names: Sequence[str]) -> list[str]:
    return [str(folder / name) for name in names if (folder / name).exists()]


def normalised_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")


def checked_name(name: str) -> str:
    if normalised_name(name) != name:
        raise BadProjectName(name)
    return name
