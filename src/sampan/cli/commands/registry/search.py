"""`search`: images by word, at the default registry or, as `HOST/WORD`, at another one."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.credentials import auth_header
from sampan.cli.flags import Flag
from sampan.cli.output import Listing
from sampan.client.api import filters_text
from sampan.lib.jsontext import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Item = dict[str, Any]

TYPE_NAME = "*formatter.SearchContext"
DESCRIPTION_MOST = 45


def _description(item: Item, *, full: bool) -> str:
    text = " ".join(str(item.get("description", "")).split("\n")).strip()
    if full or len(text) <= DESCRIPTION_MOST:
        return text
    return text[: DESCRIPTION_MOST - 1] + "…"


def _tick(item: Item, member: str) -> str:
    return "[OK]" if item.get(member) else ""


def listing(*, full: bool) -> Listing:
    columns: dict[str, Any] = {
        "Name": ("NAME", lambda item: item["name"]),
        "Description": ("DESCRIPTION", lambda item: _description(item, full=full)),
        "StarCount": ("STARS", lambda item: str(item.get("star_count", 0))),
        "IsOfficial": ("OFFICIAL", lambda item: _tick(item, "is_official")),
        "IsAutomated": ("AUTOMATED", lambda item: _tick(item, "is_automated")),
    }
    return Listing(TYPE_NAME, columns, ("Name", "Description", "StarCount", "IsOfficial"))


def run(context: Context, flags: Flags, arguments: list[str]) -> int:
    term = arguments[0]
    query = [("term", term)]
    if flags.given("limit"):
        query.append(("limit", flags.text("limit")))
    if filters := flags.filters():
        query.append(("filters", filters_text(filters)))
    headers = {"X-Registry-Auth": auth_header(context, term)}
    found = decode(
        context.client.call("GET", "/images/search", query=query, headers=headers).read()
    )
    found.sort(key=lambda item: -item.get("star_count", 0))
    context.out(listing(full=flags.on("no-trunc")).text(found, flags.text("format")))
    return 0


SEARCH = Command(
    run,
    "[OPTIONS] TERM",
    flags=(
        Flag("filter", "f", "filter", "Filter output based on conditions provided"),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("limit", "", "int", "Max number of search results"),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
    ),
    least=1,
    most=1,
)
