"""`ps`: the listing measured against Docker's, so it loads next to nothing."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import Flag
from sampan.cli.human import (
    age,
    label_heading,
    label_text,
    local_time,
    short_id,
    shorten,
    size3,
)
from sampan.cli.output import Listing
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Item = dict[str, Any]

TYPE_NAME = "*formatter.ContainerContext"
COMMAND_WIDTH = 20
MOUNT_WIDTH = 15
FIELDS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def _names(item: Item, *, full: bool) -> str:
    names = [str(name).removeprefix("/") for name in item.get("Names") or ()]
    if not full:
        names = [name for name in names if "/" not in name][:1] or names
    return ",".join(names)


def _image(item: Item, *, full: bool) -> str:
    image = str(item.get("Image") or "")
    if not image:
        return "<no image>"
    if full:
        return image
    short = short_id(str(item.get("ImageID") or ""))
    if short and short == short_id(image):
        return short
    return image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")


def _command(item: Item, *, full: bool) -> str:
    command = str(item.get("Command") or "")
    return encode(command if full else shorten(command, COMMAND_WIDTH))


def _size(item: Item) -> str:
    text = size3(item.get("SizeRw") or 0)
    whole = item.get("SizeRootFs") or 0
    return f"{text} (virtual {size3(whole)})" if whole else text


def _mounts(item: Item, *, full: bool) -> str:
    names = [str(mount.get("Name") or mount.get("Source") or "") for mount in item["Mounts"] or ()]
    return ",".join(name if full else shorten(name, MOUNT_WIDTH) for name in names)


def _local_volumes(item: Item) -> str:
    return str(sum(1 for mount in item.get("Mounts") or () if mount.get("Driver") == "local"))


def _networks(item: Item) -> str:
    settings = item.get("NetworkSettings") or {}
    return ",".join(sorted(settings.get("Networks") or {}))


def ports_text(ports: list[Item]) -> str:
    """Ports with neighbours joined to ranges: "0.0.0.0:80-81->80-81/tcp, 9000/udp".

    A range needs the same number on both sides; other mappings follow one by one.
    """
    ranges: dict[tuple[str, str], list[int]] = {}
    done: list[str] = []
    mapped: list[str] = []

    def order(port: Item) -> tuple[Any, ...]:
        return (
            port.get("PrivatePort", 0),
            port.get("IP", ""),
            port.get("PublicPort", 0),
            port.get("Type", ""),
        )

    for port in sorted(ports, key=order):
        inside, outside = port.get("PrivatePort", 0), port.get("PublicPort", 0)
        address, kind = port.get("IP", ""), port.get("Type", "")
        if address and outside != inside:
            mapped.append(f"{_host(address)}:{outside}->{inside}/{kind}")
            continue
        held = ranges.get((address, kind))
        if held is not None and inside == held[1] + 1:
            held[1] = inside
            continue
        if held is not None:
            done.append(_range(address, kind, held))
        ranges[address, kind] = [inside, inside]
    done += [_range(address, kind, held) for (address, kind), held in ranges.items()]
    return ", ".join(done + mapped)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _range(address: str, kind: str, held: list[int]) -> str:
    first, last = held
    text = str(first) if first == last else f"{first}-{last}"
    return f"{_host(address)}:{text}->{text}/{kind}" if address else f"{text}/{kind}"


def listing(*, full: bool, with_size: bool = False) -> Listing:
    """How containers are listed; `full` keeps ids, commands and mounts whole."""
    columns: dict[str, Any] = {
        "ID": ("CONTAINER ID", lambda item: item["Id"] if full else short_id(item["Id"])),
        "Names": ("NAMES", lambda item: _names(item, full=full)),
        "Image": ("IMAGE", lambda item: _image(item, full=full)),
        "Command": ("COMMAND", lambda item: _command(item, full=full)),
        "CreatedAt": ("CREATED AT", lambda item: local_time(item["Created"])),
        "RunningFor": ("CREATED", lambda item: age(item["Created"])),
        "Ports": ("PORTS", lambda item: ports_text(item.get("Ports") or [])),
        "State": ("STATE", lambda item: item.get("State", "")),
        "Status": ("STATUS", lambda item: item.get("Status", "")),
        "Size": ("SIZE", _size),
        "Labels": ("LABELS", lambda item: label_text(item.get("Labels"))),
        "Label": (label_heading, lambda item: (item.get("Labels") or {}).get),
        "Mounts": ("MOUNTS", lambda item: _mounts(item, full=full)),
        "LocalVolumes": ("LOCAL VOLUMES", _local_volumes),
        "Networks": ("NETWORKS", _networks),
        "Platform": ("PLATFORM", lambda _item: None),
    }
    return Listing(TYPE_NAME, columns, (*FIELDS, "Size") if with_size else FIELDS)


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    format_text = flags.text("format")
    quiet, with_size = flags.on("quiet"), flags.on("size")
    if not format_text and not quiet:
        format_text = context.config.text("psFormat")
    query: list[tuple[str, str]] = []
    if flags.on("all"):
        query.append(("all", "1"))
    if filters := flags.filters():
        from sampan.client.api import filters_text

        query.append(("filters", filters_text(filters)))
    limit = 1 if flags.on("latest") and not flags.given("last") else flags.number("last")
    if limit > 0:
        query.append(("limit", str(limit)))
    if with_size or ".Size" in format_text:
        query.append(("size", "1"))
    items = context.client.get("/containers/json", query)
    if quiet:
        format_text = "{{.ID}}"
    elif with_size and format_text.startswith("table "):
        format_text += "\t{{.Size}}"
    context.out(listing(full=flags.on("no-trunc"), with_size=with_size).text(items, format_text))
    return 0


LS = Command(
    run,
    "[OPTIONS]",
    flags=(
        Flag("all", "a", "bool", "Show all containers (default shows just running)"),
        Flag("filter", "f", "filter", "Filter output based on conditions provided"),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("last", "n", "int", "Show n last created containers (in any state)", default=-1),
        Flag("latest", "l", "bool", "Show the latest created container (in any state)"),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("quiet", "q", "bool", "Only display container IDs"),
        Flag("size", "s", "bool", "Display total file sizes"),
    ),
)
