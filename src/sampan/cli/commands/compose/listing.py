"""`images`, `ls` and `volumes`: what projects use, and which projects there are."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.cli.human import age, seconds_of, short_id, size3
from sampan.cli.output import Listing, align
from sampan.cli.references import familiar, split
from sampan.compose.labels import CONFIG_FILES, PROJECT, VOLUME
from sampan.compose.observe import container_of
from sampan.compose.parallel import gather
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.observe import ObservedContainer

WIDTH = 20
GAP = 1
NONE = "<none>"


def _image_row(context: ComposeContext, container: ObservedContainer) -> dict[str, Any]:
    found = context.api.find_image(container.image) or {}
    tags = found.get("RepoTags") or []
    asked = context.api.inspect_container(container.id)["Config"]["Image"]
    repository, tag = _name_of(asked, tags)
    variant = found.get("Variant") or ""
    platform = f"{found.get('Os', '')}/{found.get('Architecture', '')}"
    return {
        "ID": container.image,
        "ContainerName": container.name,
        "Repository": repository,
        "Tag": tag,
        "Platform": f"{platform}/{variant}" if variant else platform,
        "Size": int(found.get("Size") or 0),
        "Created": found.get("Created") or "",
        "LastTagTime": (found.get("Metadata") or {}).get("LastTagTime") or "",
    }


def _name_of(asked: str, tags: list[str]) -> tuple[str, str]:
    """Repository and tag: the name that the container was made with, if the image still has it."""
    if asked.startswith("sha256:"):
        asked = tags[0] if tags else ""
    if not asked:
        return NONE, NONE
    name, label = split(asked)
    return familiar(name), label or "latest"


def images(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    containers = containers_of(context, names, oneoff=True)
    if flags.on("quiet"):
        for identity in dict.fromkeys(container.image for container in containers):
            context.say(identity.removeprefix("sha256:"))
        return 0
    rows = gather([_bound_row(context, container) for container in containers])
    if flags.text("format") == "json":
        context.cli.out(encode([{k: v for k, v in row.items() if k != "Created"} for row in rows]))
        return 0
    lines = [["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"]]
    for row in sorted(rows, key=lambda row: str(row["ContainerName"])):
        made = seconds_of(row["Created"])
        cells = [row["ContainerName"], row["Repository"], row["Tag"], row["Platform"]]
        cells += [short_id(row["ID"]), size3(row["Size"]), age(made) if made else "N/A"]
        lines.append(cells)
    context.cli.out(align(lines, least=WIDTH, gap=GAP))
    return 0


def _bound_row(context: ComposeContext, container: ObservedContainer) -> Any:
    return lambda: _image_row(context, container)


def _projects(containers: Iterable[ObservedContainer]) -> list[dict[str, str]]:
    by_project: dict[str, list[ObservedContainer]] = {}
    for container in containers:
        by_project.setdefault(container.labels.get(PROJECT, ""), []).append(container)
    return [
        {
            "Name": name,
            "Status": _status(members),
            "ConfigFiles": ",".join(
                dict.fromkeys(member.labels.get(CONFIG_FILES, "") or "N/A" for member in members)
            ),
        }
        for name, members in sorted(by_project.items())
    ]


def _status(members: list[ObservedContainer]) -> str:
    """ "exited(1), running(2)"."""
    states = sorted(member.state for member in members)
    return ", ".join(f"{state}({states.count(state)})" for state in dict.fromkeys(states))


def ls(context: ComposeContext, flags: Flags, _names: list[str]) -> int:
    found = context.api.list_containers([PROJECT], all_states=flags.on("all"))
    rows = _projects(map(container_of, found))
    for key, values in flags.filters().items():
        if key != "name":
            raise Exit(1, f"invalid filter '{key}'")
        rows = [row for row in rows if any(value in row["Name"] for value in values)]
    if flags.on("quiet"):
        for row in rows:
            context.say(row["Name"])
        return 0
    if flags.text("format") == "json":
        context.say(encode(rows))
        return 0
    lines = [["NAME", "STATUS", "CONFIG FILES"]]
    lines += [[row["Name"], row["Status"], row["ConfigFiles"]] for row in rows]
    context.cli.out(align(lines, least=WIDTH, gap=GAP))
    return 0


def _volume_listing() -> Listing:
    columns: dict[str, Any] = {
        "Driver": ("DRIVER", lambda item: item.get("Driver", "")),
        "Labels": ("LABELS", _labels),
        "Mountpoint": ("MOUNTPOINT", lambda item: item.get("Mountpoint", "")),
        "Name": ("VOLUME NAME", lambda item: item.get("Name", "")),
        "Scope": ("SCOPE", lambda item: item.get("Scope", "")),
    }
    return Listing("*formatter.volumeContext", columns, ("Driver", "Name"))


def _labels(item: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((item.get("Labels") or {}).items()))


def volumes(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    project = context.project_if_any()
    found = context.api.list_volumes([f"{PROJECT}={context.project_name()}"])
    if names:
        containers = containers_of(context, names)
        used = {name for container in containers for name in container.volumes}
        found = [item for item in found if item["Name"] in used]
    elif project is not None:
        known = {volume.name for volume in project.volumes.values()}
        found = [
            item
            for item in found
            if item["Name"] in known or (item.get("Labels") or {}).get(VOLUME)
        ]
    if flags.on("quiet"):
        for item in found:
            context.say(item["Name"])
        return 0
    context.cli.out(_volume_listing().text(found, flags.text("format")))
    return 0


IMAGES = Verb(
    images,
    "[OPTIONS] [SERVICE...]",
    "List images used by the created containers",
    flags=(
        Flag("format", "", "string", "Format the output: table or json", default="table"),
        Flag("quiet", "q", "bool", "Only display IDs"),
    ),
)
LS = Verb(
    ls,
    "[OPTIONS]",
    "List running compose projects",
    flags=(
        Flag("all", "a", "bool", "Show all stopped Compose projects"),
        Flag("filter", "", "filter", "Filter output based on conditions provided"),
        Flag("format", "", "string", "Format the output: table or json", default="table"),
        Flag("quiet", "q", "bool", "Only display project names"),
    ),
    most=0,
)
VOLUMES = Verb(
    volumes,
    "[OPTIONS] [SERVICE...]",
    "List volumes",
    flags=(
        Flag("format", "", "string", "Format output: table, json, or a template", default="table"),
        Flag("quiet", "q", "bool", "Only display volume names"),
    ),
)
