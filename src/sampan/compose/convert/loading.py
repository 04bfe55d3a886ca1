"""Loads a project to convert, keeping apart what its env files set.

The one module of the package that reads files: the others get `Source.read`.
"""

from pathlib import Path

from sampan.compose.consistency import check_names
from sampan.compose.convert.report import Source
from sampan.compose.environment import with_environment
from sampan.compose.load import LoadOptions, load_project
from sampan.lib.records import replace


def load(options: LoadOptions) -> Source:
    """Raises what `load_project` raises."""
    warnings: list[str] = []
    options = replace(options, resolve_environment=False, discard_label_files=True)
    project = load_project(options)
    check_names(project)
    extra: dict[str, dict[str, str]] = {}
    services = {}
    for name, service in project.services.items():
        whole = with_environment(service, project.environment, warnings.append).environment
        given = service.environment
        extra[name] = {
            key: text for key, text in whole.items() if key not in given and text is not None
        }
        services[name] = replace(
            service, env_file=(), environment={key: whole[key] for key in given}
        )
    project = replace(project, services=services, warnings=(*project.warnings, *warnings))
    return Source(project=project, from_env_files=extra, read=read)


def read(path: str) -> bytes | None:
    """A regular file's content, None for anything else."""
    file = Path(path)
    try:
        return file.read_bytes() if file.is_file() else None
    except OSError:
        return None
