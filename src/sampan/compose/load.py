"""Loading a project: the one function that commands call.

    files -> trees (read, interpolate, extends, include, merge, schema, canonical, checks, paths)
          -> normalise -> decode -> profiles, consistency, selection -> environment -> Project

Each step is a module of its own and pure but for the files it reads; this one only puts them in
order. Everything that is wrong with a file raises a `ComposeError` with file, line and key.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sampan.compose.consistency import check_project
from sampan.compose.decode import decode
from sampan.compose.environment import with_environment, with_labels
from sampan.compose.failures import BadKey, BadSyntax, ComposeError
from sampan.compose.files import Places, checked_name, find_places, normalised_name
from sampan.compose.model import FileObject, Model, Network, Project, Service, Volume
from sampan.compose.normalise import normalise
from sampan.compose.origins import Notes
from sampan.compose.selection import (
    with_profiles,
    with_selected_services,
    with_services_enabled,
    without_unused_resources,
)
from sampan.compose.template import substitute
from sampan.compose.trees import TreeLoader, TreeOptions
from sampan.compose.yamltree import read_documents
from sampan.errors import InvalidArgument
from sampan.lib.records import Record, replace

_KINDS: tuple[tuple[str, type], ...] = (
    ("networks", Network),
    ("volumes", Volume),
    ("secrets", FileObject),
    ("configs", FileObject),
    ("models", Model),
)


class LoadOptions(Record, frozen=True, kw_only=True):
    """What the command line and the surroundings say. Empty means: find out as Compose does.

    `environment` is the process's own and is read for COMPOSE_FILE, COMPOSE_PROJECT_NAME,
    COMPOSE_PROFILES, COMPOSE_ENV_FILES, COMPOSE_PATH_SEPARATOR and for interpolation. `stdin` is
    the text for the file `-`. `services` selects those and what they depend on. The defaults are
    those of `up`; `config` wants label files gone and `config --hash` unresolved environments.
    """

    files: Sequence[str] = ()
    project_directory: str = ""
    project_name: str = ""
    env_files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    services: Sequence[str] = ()
    dependencies: bool = True  # of the selected services
    all_resources: bool = False  # also those that no service uses
    environment: Mapping[str, str] = {}
    working_directory: Path | None = None  # None: the process's own
    stdin: str | None = None
    interpolate: bool = True
    normalise: bool = True
    resolve_paths: bool = True
    resolve_environment: bool = True
    discard_label_files: bool = False
    check_consistency: bool = True


class Loaded(Record, frozen=True):
    """A canonical tree with its surroundings: what `load_tree` hands out."""

    tree: dict[str, Any]
    name: str
    places: Places
    environment: dict[str, str]
    notes: Notes


def load_project(options: LoadOptions) -> Project:
    """The project with the services of the active profiles; warnings are in `Project.warnings`."""
    loaded = load_tree(options)
    try:
        project = with_profiles(_project(loaded), _profiles(options, loaded.environment))
        if options.check_consistency:
            check_project(project)
            project = _with_one_count(project)
    except BadKey as error:
        raise loaded.notes.located(error) from error
    project = with_services_enabled(project, options.services)
    project = with_selected_services(project, options.services, dependencies=options.dependencies)
    if not options.all_resources:
        project = without_unused_resources(project)
    try:
        services = _resolved(project, options, loaded.notes)
    except BadKey as error:
        raise loaded.notes.located(error) from error
    return replace(project, services=services, warnings=loaded.notes.warnings)


def load_tree(options: LoadOptions) -> Loaded:
    """The files' canonical tree before it becomes records; may still contain variables."""
    places = find_places(
        files=options.files,
        project_directory=options.project_directory,
        env_files=options.env_files,
        environment=options.environment,
        working_directory=options.working_directory or Path.cwd(),
    )
    notes = Notes()
    for warning in places.warnings:
        notes.warn(warning)
    settings = TreeOptions(
        interpolate=options.interpolate,
        resolve_paths=options.resolve_paths,
        stdin=options.stdin or "",
        home=places.environment.get("HOME", ""),
    )
    loader = TreeLoader(settings, notes)
    name = _name(options, places, loader)
    # a tree that keeps its variables is the same everywhere: nothing is filled in from outside
    known = places.environment if options.interpolate else {}
    environment = {**known, "COMPOSE_PROJECT_NAME": name}
    tree = loader.load(places.files, places.directory, environment)
    if not tree:
        raise ComposeError("empty compose file", file=places.files[0])
    if not name:
        raise InvalidArgument(
            "project name must not be empty",
            hint="--project-name or the top-level key `name` sets one",
        )
    if options.normalise:
        try:
            normalise(tree, name, environment)
        except BadKey as error:
            raise notes.located(error) from error
    return Loaded(tree, name, places, environment, notes)


def _name(options: LoadOptions, places: Places, loader: TreeLoader) -> str:
    given = options.project_name or places.environment.get("COMPOSE_PROJECT_NAME", "")
    if given:
        return checked_name(given)
    found = ""
    for file in places.files:
        try:
            for document in read_documents(loader.text(file), file):
                if isinstance(document.tree, dict) and document.tree.get("name"):
                    found = str(document.tree["name"])
        except BadSyntax:
            break  # it's reported with everything else when the file is read for good
    if options.interpolate:
        found = substitute(found, places.environment.get)
    return normalised_name(found or places.directory.name)


def _profiles(options: LoadOptions, environment: Mapping[str, str]) -> list[str]:
    if options.profiles:
        return list(options.profiles)
    return [each.strip() for each in environment.get("COMPOSE_PROFILES", "").split(",")]


def _project(loaded: Loaded) -> Project:
    tree = loaded.tree
    services = {
        name: decode(Service, service or {}, ("services", name), name=name)
        for name, service in sorted((tree.get("services") or {}).items())
    }
    parts: dict[str, dict[str, Any]] = {
        kind: {
            key: decode(record, value or {}, (kind, key))
            for key, value in sorted((tree.get(kind) or {}).items())
        }
        for kind, record in _KINDS
    }
    for kind in ("secrets", "configs"):
        parts[kind] = {key: _filled(each, loaded.environment) for key, each in parts[kind].items()}
    return Project(
        name=loaded.name,
        working_dir=loaded.places.directory,
        files=loaded.places.files,
        env_files=loaded.places.env_files,
        environment=loaded.environment,
        services=services,
        extensions={key: value for key, value in tree.items() if key.startswith("x-")},
        networks=parts["networks"],
        volumes=parts["volumes"],
        secrets=parts["secrets"],
        configs=parts["configs"],
        models=parts["models"],
    )


def _filled(part: FileObject, environment: Mapping[str, str]) -> FileObject:
    if part.environment and part.environment in environment:
        return replace(part, content=environment[part.environment])
    return part


def _with_one_count(project: Project) -> Project:
    """`scale` counts for `deploy.replicas` too."""
    services = {}
    for name, service in project.services.items():
        if service.scale is not None and service.deploy is not None:
            deploy = replace(service.deploy, replicas=service.scale)
            service = replace(service, deploy=deploy)
        services[name] = service
    return replace(project, services=services)


def _resolved(project: Project, options: LoadOptions, notes: Notes) -> dict[str, Service]:
    found = {}
    for name, service in project.services.items():
        service = with_labels(service, discard=options.discard_label_files)
        if options.resolve_environment:
            service = with_environment(service, project.environment, notes.warn)
        found[name] = service
    return found
