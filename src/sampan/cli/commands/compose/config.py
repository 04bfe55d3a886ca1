"""`config`: the project in canonical form, or one list out of it.

The form is Docker Compose's, byte for byte. Dollar signs are doubled, so that what is printed can
be loaded again. `--no-interpolate` prints the tree before it becomes records, variables and all.
"""

from __future__ import annotations

from pathlib import Path

from sampan.cli.command import Exit
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.consistency import check_names
from sampan.compose.encode import to_json, to_yaml
from sampan.compose.hashes import service_hash
from sampan.compose.interpolate import variables
from sampan.compose.load import load_project, load_tree
from sampan.compose.ordering import order
from sampan.compose.render import project_json, project_yaml
from sampan.compose.selection import NoSuchService
from sampan.compose.translate import image_name
from sampan.lib.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.load import LoadOptions
    from sampan.compose.model import Project

COLUMN = 20


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    for name, show in _LISTS.items():
        if flags.on(name) or (name == "hash" and flags.text(name)):
            show(context, flags, names)
            return 0
    kind = flags.text("format") or "yaml"
    if kind not in {"yaml", "json"}:
        raise Exit(1, f'unsupported format "{kind}"')
    whole = flags.on("no-interpolate")
    text = _tree(context, flags, names, kind) if whole else _canonical(context, flags, names, kind)
    if flags.on("quiet"):
        return 0
    if flags.text("output"):
        Path(flags.text("output")).write_text(text, encoding="utf-8")
    else:
        context.cli.out(text)
    return 0


def _options(context: ComposeContext, flags: Flags, names: list[str]) -> LoadOptions:
    consistent = not flags.on("no-consistency")
    return replace(
        context.load_options(names),
        interpolate=not flags.on("no-interpolate"),
        normalise=not (flags.on("no-normalize") or context.flags.on("compatibility")),
        resolve_paths=not flags.on("no-path-resolution"),
        resolve_environment=not flags.on("no-env-resolution"),
        check_consistency=consistent,
        discard_label_files=True,
    )


def _load(
    context: ComposeContext, flags: Flags, names: list[str], *, environment: bool = True
) -> Project:
    options = _options(context, flags, names)
    if not environment:
        options = replace(options, resolve_environment=False)
    project = load_project(options)
    for warning in project.warnings:
        context.warn(warning)
    return project


def _canonical(context: ComposeContext, flags: Flags, names: list[str], kind: str) -> str:
    project = _load(context, flags, names)
    if not flags.on("no-consistency"):
        check_names(project)
    only = flags.on("lock-image-digests")
    if only or flags.on("resolve-image-digests"):
        from sampan.cli.commands.compose.digests import pinned

        project = pinned(project, context.cli)
    found = project_json(project) if kind == "json" else project_yaml(project)
    if only:
        found = {"services": {name: _image(each) for name, each in found["services"].items()}}
    text = to_json(found) if kind == "json" else to_yaml(found)
    return text.replace("$", "$$")


def _image(service: dict[str, Any]) -> dict[str, Any]:
    nothing = {key: None for key in ("command", "entrypoint") if key in service}
    return nothing | {key: service[key] for key in ("image",) if key in service}


def _tree(context: ComposeContext, flags: Flags, names: list[str], kind: str) -> str:
    loaded = load_tree(_options(context, flags, names))
    for warning in loaded.notes.warnings:
        context.warn(warning)
    tree = loaded.tree
    if flags.on("lock-image-digests") or flags.on("resolve-image-digests"):
        from sampan.cli.commands.compose.digests import pinned_tree

        tree = pinned_tree(tree, context.cli)
    if flags.on("lock-image-digests"):
        services = tree.get("services") or {}
        tree = {"services": {name: _image(each or {}) for name, each in services.items()}}
    return to_json(_sorted(tree)) if kind == "json" else to_yaml(tree, sort=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _lines(context: ComposeContext, lines: Iterable[str]) -> None:
    context.cli.out("".join(f"{line}\n" for line in lines))


def _services(context: ComposeContext, flags: Flags, _names: list[str]) -> None:
    if flags.on("no-interpolate"):
        tree = load_tree(_options(context, flags, [])).tree
        _lines(context, sorted(tree.get("services") or {}))
        return
    _lines(context, order(_load(context, flags, [], environment=False).services))


def _volumes(context: ComposeContext, flags: Flags, _names: list[str]) -> None:
    _lines(context, sorted(_load(context, flags, [], environment=False).volumes))


def _networks(context: ComposeContext, flags: Flags, _names: list[str]) -> None:
    _lines(context, sorted(_load(context, flags, [], environment=False).networks))


def _models(context: ComposeContext, flags: Flags, _names: list[str]) -> None:
    models = _load(context, flags, [], environment=False).models
    _lines(context, (each.model for _, each in sorted(models.items()) if each.model))


def _hashes(context: ComposeContext, flags: Flags, _names: list[str]) -> None:
    project = _load(context, flags, [], environment=False)
    chosen = flags.text("hash").split(",") if flags.text("hash") != "*" else project.services
    for name in sorted(chosen):
        if name not in project.services:
            raise NoSuchService(name)
        context.say(f"{name} {service_hash(project.services[name])}")


def _profiles(context: ComposeContext, flags: Flags, names: list[str]) -> None:
    project = _load(context, flags, names, environment=False)
    every = project.all_services().values()
    _lines(context, sorted({profile for service in every for profile in service.profiles}))


def _images(context: ComposeContext, flags: Flags, names: list[str]) -> None:
    project = _load(context, flags, names, environment=False)
    _lines(context, (image_name(project, each) for _, each in sorted(project.services.items())))


def _variables(context: ComposeContext, flags: Flags, names: list[str]) -> None:
    options = replace(_options(context, flags, names), interpolate=False)
    found: dict[str, dict[str, object]] = {}
    for each in variables(load_tree(options).tree):
        kind = each.operator[-1:]
        found[each.name] = {
            "Name": each.name,
            "DefaultValue": each.argument if kind == "-" else "",
            "PresenceValue": each.argument if kind == "+" else "",
            "Required": kind == "?",
        }
    found = dict(sorted(found.items()))
    match flags.text("format"):
        case "json":
            context.say(to_json(found, step=4) + "\n")
        case "yaml":
            low = {name: {k.lower(): v for k, v in each.items()} for name, each in found.items()}
            context.cli.out(to_yaml(low, step=4))
        case _:
            rows = [("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")]
            rows += [
                (
                    name,
                    str(each["Required"]).lower(),
                    str(each["DefaultValue"]),
                    str(each["PresenceValue"]),
                )
                for name, each in found.items()
            ]
            _table(context, rows)


def _table(context: ComposeContext, rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(COLUMN, *(len(row[i]) + 3 for row in rows)) for i in range(len(rows[0]) - 1)]
    last = max(COLUMN, *(len(row[-1]) + 3 for row in rows)) if len(rows) > 1 else 0
    for index, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        context.say("".join(cells) + (row[-1].ljust(last) if index else row[-1]))


def _environment(context: ComposeContext, flags: Flags, names: list[str]) -> None:
    environment = _load(context, flags, names).environment
    _lines(context, sorted(f"{name}={value}" for name, value in environment.items()))


_LISTS: dict[str, Callable[[ComposeContext, Flags, list[str]], None]] = {
    "services": _services,
    "volumes": _volumes,
    "networks": _networks,
    "models": _models,
    "hash": _hashes,
    "profiles": _profiles,
    "images": _images,
    "variables": _variables,
    "environment": _environment,
}

CONFIG = Verb(
    run,
    "[OPTIONS] [SERVICE...]",
    "Parse, resolve and render compose file in canonical format",
    flags=(
        Flag("environment", "", "bool", "Print environment used for interpolation."),
        Flag("format", "", "string", "Format the output. Values: [yaml | json]"),
        Flag("hash", "", "string", "Print the service config hash, one per line."),
        Flag("images", "", "bool", "Print the image names, one per line."),
        Flag("lock-image-digests", "", "bool", "Produces an override file with image digests"),
        Flag("models", "", "bool", "Print the model names, one per line."),
        Flag("networks", "", "bool", "Print the network names, one per line."),
        Flag(
            "no-consistency",
            "",
            "bool",
            "Don't check model consistency - warning: may produce invalid Compose output",
        ),
        Flag("no-env-resolution", "", "bool", "Don't resolve service env files"),
        Flag("no-interpolate", "", "bool", "Don't interpolate environment variables"),
        Flag("no-normalize", "", "bool", "Don't normalize compose model"),
        Flag("no-path-resolution", "", "bool", "Don't resolve file paths"),
        Flag("output", "o", "string", "Save to file (default to stdout)"),
        Flag("profiles", "", "bool", "Print the profile names, one per line."),
        Flag("quiet", "q", "bool", "Only validate the configuration, don't print anything"),
        Flag("resolve-image-digests", "", "bool", "Pin image tags to digests"),
        Flag("services", "", "bool", "Print the service names, one per line."),
        Flag("variables", "", "bool", "Print model variables and default values."),
        Flag("volumes", "", "bool", "Print the volume names, one per line."),
    ),
)
