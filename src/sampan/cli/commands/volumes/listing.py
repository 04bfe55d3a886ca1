"""`volume ls`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import Flag
from sampan.cli.human import label_heading, label_text
from sampan.cli.output import Listing
from sampan.client.api import filters_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

TYPE_NAME = "*formatter.volumeContext"


def _links(item: dict[str, Any]) -> str:
    usage = item.get("UsageData")
    return str(usage["RefCount"]) if usage else "N/A"


def _size(item: dict[str, Any]) -> str:
    from sampan.lib.units import human_size

    usage = item.get("UsageData")
    return human_size(usage["Size"]) if usage else "N/A"


def listing(fields: tuple[str, ...] = ("Driver", "Name")) -> Listing:
    columns: dict[str, Any] = {
        "Name": ("VOLUME NAME", lambda item: item["Name"]),
        "Driver": ("DRIVER", lambda item: item["Driver"]),
        "Scope": ("SCOPE", lambda item: item.get("Scope", "")),
        "Mountpoint": ("MOUNTPOINT", lambda item: item.get("Mountpoint", "")),
        "Labels": ("LABELS", lambda item: label_text(item.get("Labels"))),
        "Label": (label_heading, lambda item: (item.get("Labels") or {}).get),
        "Links": ("LINKS", _links),
        "Size": ("SIZE", _size),
        "Availability": ("AVAILABILITY", lambda _item: "N/A"),
        "Group": ("GROUP", lambda _item: "N/A"),
        "Status": ("STATUS", lambda _item: "N/A"),
    }
    return Listing(TYPE_NAME, columns, fields)


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    filters = flags.filters()
    query = [("filters", filters_text(filters))] if filters else []
    volumes = context.client.get("/volumes", query).get("Volumes") or []
    volumes.sort(key=lambda volume: volume["Name"])
    format_text = flags.text("format")
    if flags.on("quiet") and format_text in {"", "table"}:
        for volume in volumes:
            context.out(volume["Name"] + "\n")
        return 0
    context.out(listing().text(volumes, format_text or context.config.text("volumesFormat")))
    return 0


LS = Command(
    run,
    "[OPTIONS]",
    flags=(
        Flag("filter", "f", "filter", 'Provide filter values (e.g. "dangling=true")'),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("quiet", "q", "bool", "Only display volume names"),
    ),
)
