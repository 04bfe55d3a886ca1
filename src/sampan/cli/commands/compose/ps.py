"""`ps`: a project's containers, in all formats of Docker Compose."""

from __future__ import annotations

from sampan.cli.commands.compose.selecting import check_services
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.commands.containers.listing import ports_text
from sampan.cli.flags import Flag
from sampan.cli.human import age, label_text, local_time, short_id, shorten, size3
from sampan.cli.output import Listing
from sampan.compose.labels import PROJECT, SERVICE
from sampan.errors import InvalidArgument
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags

    Item = dict[str, Any]

FIELDS = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
COMMAND_WIDTH = 20
MOUNT_WIDTH = 15
STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")


def _label(item: Item, name: str) -> str:
    return str((item.get("Labels") or {}).get(name, ""))


def _name(item: Item) -> str:
    names = [str(name).removeprefix("/") for name in item.get("Names") or ()]
    return next((name for name in names if "/" not in name), "")


def publishers(item: Item) -> list[dict[str, object]]:
    return [
        {
            "URL": port.get("IP", ""),
            "TargetPort": port.get("PrivatePort", 0),
            "PublishedPort": port.get("PublicPort", 0),
            "Protocol": port.get("Type", ""),
        }
        for port in sorted(
            item.get("Ports") or (),
            key=lambda port: (port.get("PrivatePort", 0), port.get("IP", "")),
        )
    ]


def exit_code(item: Item) -> int:
    """From the status text: "Exited (137) 2 seconds ago"."""
    text = str(item.get("Status", ""))
    if not text.startswith("Exited ("):
        return 0
    number = text.removeprefix("Exited (").partition(")")[0]
    return int(number) if number.lstrip("-").isdecimal() else 0


def health(item: Item) -> str:
    text = str(item.get("Status", ""))
    for word, name in (
        ("(healthy)", "healthy"),
        ("(unhealthy)", "unhealthy"),
        ("(health: starting)", "starting"),
    ):
        if word in text:
            return name
    return ""


def _mounts(item: Item, *, full: bool) -> str:
    names = [str(m.get("Name") or m.get("Source") or "") for m in item.get("Mounts") or ()]
    return ",".join(name if full else shorten(name, MOUNT_WIDTH) for name in names)


def _command(item: Item, *, full: bool) -> str:
    command = str(item.get("Command") or "")
    return encode(command if full else shorten(command, COMMAND_WIDTH))


def _networks(item: Item) -> str:
    return ",".join(sorted((item.get("NetworkSettings") or {}).get("Networks") or {}))


def _local_volumes(item: Item) -> str:
    return str(sum(1 for mount in item.get("Mounts") or () if mount.get("Driver") == "local"))


def listing(*, full: bool) -> Listing:
    """Columns in the order in which their JSON has them."""
    columns: dict[str, Any] = {
        "Command": ("COMMAND", lambda item: _command(item, full=full)),
        "CreatedAt": ("CREATED AT", lambda item: local_time(item["Created"])),
        "ExitCode": ("EXIT CODE", exit_code),
        "Health": ("HEALTH", health),
        "ID": ("CONTAINER ID", lambda item: item["Id"] if full else short_id(item["Id"])),
        "Image": ("IMAGE", lambda item: item.get("Image", "")),
        "Labels": ("LABELS", lambda item: label_text(item.get("Labels"))),
        "LocalVolumes": ("LOCAL VOLUMES", _local_volumes),
        "Mounts": ("MOUNTS", lambda item: _mounts(item, full=full)),
        "Name": ("NAME", _name),
        "Names": ("NAMES", _name),
        "Networks": ("NETWORKS", _networks),
        "Ports": ("PORTS", lambda item: ports_text(item.get("Ports") or [])),
        "Project": ("PROJECT", lambda item: _label(item, PROJECT)),
        "Publishers": ("PUBLISHERS", publishers),
        "RunningFor": ("CREATED", lambda item: age(item["Created"])),
        "Service": ("SERVICE", lambda item: _label(item, SERVICE)),
        "Size": ("SIZE", lambda item: size3(item.get("SizeRw") or 0)),
        "State": ("STATE", lambda item: item.get("State", "")),
        "Status": ("STATUS", lambda item: item.get("Status", "")),
    }
    return Listing("*formatter.ContainerContext", columns, FIELDS)


def _statuses(flags: Flags) -> list[str]:
    wanted = flags.items("status")
    if text := flags.text("filter"):
        key, equals, value = text.partition("=")
        if key == "source":
            raise InvalidArgument("filter source is not supported")
        if key != "status" or not equals:
            raise InvalidArgument(f"unknown filter {key}")
        wanted = [*wanted, value]
    for state in wanted:
        if state not in STATES:
            raise InvalidArgument(f"unknown status {state}")
    return wanted


def _items(context: ComposeContext, flags: Flags, names: list[str]) -> list[Item]:
    wanted = _statuses(flags)
    check_services(context, names)
    project = context.project_if_any()
    every = flags.on("all")
    items = context.api.list_containers(
        [f"{PROJECT}={context.project_name()}"], all_states=every or bool(wanted)
    )
    if names:
        items = [item for item in items if _label(item, SERVICE) in names]
    elif project is not None and not flags.on("orphans"):
        items = [item for item in items if _label(item, SERVICE) in project.services]
    if wanted:
        items = [item for item in items if item.get("State") in wanted]
    return sorted(items, key=_name)


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    items = _items(context, flags, names)
    if flags.on("quiet"):
        for item in items:
            context.say(item["Id"])
        return 0
    if flags.on("services"):
        for service in dict.fromkeys(_label(item, SERVICE) for item in items):
            context.say(service)
        return 0
    format_text = flags.text("format")
    context.cli.out(listing(full=flags.on("no-trunc")).text(items, format_text))
    return 0


PS = Verb(
    run,
    "[OPTIONS] [SERVICE...]",
    "List containers",
    flags=(
        Flag("all", "a", "bool", "Show all stopped containers (including run command's)"),
        Flag("filter", "", "string", "Filter services by a property (supported filters: status)"),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("orphans", "", "bool", "Include orphaned services", default=True),
        Flag("quiet", "q", "bool", "Only display IDs"),
        Flag("services", "", "bool", "Display services"),
        Flag("status", "", "stringArray", "Filter services by status"),
    ),
)
