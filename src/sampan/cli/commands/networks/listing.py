"""`network ls` and `network rm`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.cli.human import label_heading, label_text, short_id
from sampan.cli.naturally import natural_order
from sampan.cli.output import Listing
from sampan.client.api import filters_text
from sampan.client.errors import EngineError
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

TYPE_NAME = "*network.networkContext"
FIELDS = ("ID", "Name", "Driver", "Scope")


def path(name: str, act: str = "") -> str:
    return f"/networks/{quote(name)}{act}"


def created_text(moment: str) -> str:
    """RFC 3339 as Go's time.Time prints it: "2026-11-22 01:52:49.456 +0000 UTC"."""
    text = moment.replace("T", " ", 1)
    return f"{text[:-1]} +0000 UTC" if text.endswith("Z") else text


def _flag(value: object) -> str:
    return "true" if value else "false"


def listing(*, full: bool) -> Listing:
    columns: dict[str, Any] = {
        "ID": ("NETWORK ID", lambda item: item["Id"] if full else short_id(item["Id"])),
        "Name": ("NAME", lambda item: item["Name"]),
        "Driver": ("DRIVER", lambda item: item["Driver"]),
        "Scope": ("SCOPE", lambda item: item["Scope"]),
        "IPv4": ("IPV4", lambda item: _flag(item.get("EnableIPv4"))),
        "IPv6": ("IPV6", lambda item: _flag(item.get("EnableIPv6"))),
        "Internal": ("INTERNAL", lambda item: _flag(item.get("Internal"))),
        "Labels": ("LABELS", lambda item: label_text(item.get("Labels"))),
        "Label": (label_heading, lambda item: (item.get("Labels") or {}).get),
        "CreatedAt": ("CREATED AT", lambda item: created_text(item["Created"])),
    }
    return Listing(TYPE_NAME, columns, FIELDS)


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    filters = flags.filters()
    query = [("filters", filters_text(filters))] if filters else []
    networks = sorted(
        context.client.get("/networks", query), key=lambda network: natural_order(network["Name"])
    )
    full, format_text = flags.on("no-trunc"), flags.text("format")
    if flags.on("quiet") and format_text in {"", "table"}:
        for network in networks:
            context.out((network["Id"] if full else short_id(network["Id"])) + "\n")
        return 0
    format_text = format_text or context.config.text("networksFormat")
    context.out(listing(full=full).text(networks, format_text))
    return 0


def remove(context: Context, flags: Flags, names: list[str]) -> int:
    def act(name: str) -> object:
        try:
            return context.client.delete(path(name))
        except EngineError as error:
            if flags.on("force") and error.status == 404:
                return None
            raise

    return for_each(context, names, act)


LS = Command(
    run,
    "[OPTIONS]",
    flags=(
        Flag("filter", "f", "filter", 'Provide filter values (e.g. "driver=bridge")'),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("no-trunc", "", "bool", "Do not truncate the output"),
        Flag("quiet", "q", "bool", "Only display network IDs"),
    ),
)
RM = Command(
    remove,
    "NETWORK [NETWORK...]",
    flags=(Flag("force", "f", "bool", "Do not error if the network does not exist"),),
    least=1,
    most=None,
)
