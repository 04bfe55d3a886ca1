"""Environment files: the project's `.env`, and the services' `env_file` and `label_file`.

Nothing here looks at the process's own environment: it comes in as a mapping.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sampan.compose import dotenv
from sampan.compose.attributes import EnvFile
from sampan.compose.failures import BadKey, FileMissing
from sampan.compose.model import Service
from sampan.compose.template import Lookup, Report, unset_warning
from sampan.errors import InvalidArgument
from sampan.lib.records import replace


def read_env_files(files: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What the files set; later ones win, `environment` wins in what they refer to."""
    found: dict[str, str] = {}
    for file in files:
        path = Path(file)
        if not path.exists():
            raise FileMissing(f"couldn't find env file: {file}")
        if path.is_dir():
            raise InvalidArgument(f"{file} is a directory")
        dotenv.read(_text(path), file, found, dotenv.layered(environment, found))
    return found


def with_environment(service: Service, environment: Mapping[str, str], warn: Report) -> Service:
    """The service with its env files merged into `environment`, and gone."""
    own = {
        name: environment.get(name) if value is None else value
        for name, value in service.environment.items()
    }
    given = {name: value for name, value in own.items() if value is not None}
    found = dict(given)
    for file in service.env_file:
        try:
            _read_env_file(file, found, dotenv.layered(environment, given), warn)
        except FileMissing as error:
            key = ("services", service.name, "env_file")
            raise BadKey(key, error.message, whole=True) from error
    return replace(service, environment={**found, **own}, env_file=())


def _read_env_file(file: EnvFile, found: dict[str, str], lookup: Lookup, warn: Report) -> None:
    path = Path(file.path)
    if not path.exists():
        if file.required:
            raise FileMissing(_missing("env", file.path))
        return
    dotenv.read(
        _text(path),
        file.path,
        found,
        lookup,
        form=file.format,
        unset=lambda name: warn(unset_warning(name)),
    )


def with_labels(service: Service, *, discard: bool) -> Service:
    """The service with its label files merged below `labels`."""
    found: dict[str, str] = {}
    for file in service.label_file:
        path = Path(file)
        if not path.exists():
            key = ("services", service.name, "label_file")
            raise BadKey(key, _missing("label", file), whole=True)
        values: dict[str, str] = {}
        dotenv.read(_text(path), file, values, dotenv.layered(found))
        found.update(values)
    found.update(service.labels)
    files = () if discard else service.label_file
    return replace(service, labels=found, label_file=files)


def _missing(kind: str, path: str) -> str:
    return f"{kind} file {path} not found: stat {path}: no such file or directory"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"failed to read {path}: {error}") from error
