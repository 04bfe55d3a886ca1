"""`system df`: what takes the space."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.containers import listing as containers
from sampan.cli.commands.images import listing as images
from sampan.cli.commands.volumes import listing as volumes
from sampan.cli.flags import Flag
from sampan.cli.human import age, seconds_of
from sampan.cli.output import Listing, parse_template, render, unescape
from sampan.lib.jsontext import encode
from sampan.lib.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Usage = dict[str, Any]

RUNNING = frozenset({"running", "paused", "restarting"})
SUMMARY_TYPE = "*formatter.diskUsageImagesContext"
SUMMARY_FIELDS = ("Type", "TotalCount", "Active", "Size", "Reclaimable")
IMAGE_FIELDS = (
    "Repository",
    "Tag",
    "ID",
    "CreatedSince",
    "Size",
    "SharedSize",
    "UniqueSize",
    "Containers",
)
CONTAINER_FIELDS = (
    "ID",
    "Image",
    "Command",
    "LocalVolumes",
    "Size",
    "RunningFor",
    "Status",
    "Names",
)
CACHE_FIELDS = ("ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared")


def _reclaimable(size_bytes: int, total_bytes: int) -> str:
    text = human_size(size_bytes)
    return f"{text} ({size_bytes * 100 // total_bytes}%)" if total_bytes > 0 else text


def _row(kind: str, count: int, active: int, size_bytes: int, reclaimable: str) -> dict[str, str]:
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": human_size(size_bytes),
        "Reclaimable": reclaimable,
    }


def _images_row(usage: Usage) -> dict[str, str]:
    found = usage.get("Images") or []
    total = usage.get("LayersSize") or 0
    used = sum(
        image["Size"] - image.get("SharedSize", 0)
        for image in found
        if image.get("Containers", 0) > 0 and image["Size"] >= 0 and image.get("SharedSize", 0) >= 0
    )
    active = sum(1 for image in found if image.get("Containers", 0) > 0)
    return _row("Images", len(found), active, total, _reclaimable(max(total - used, 0), total))


def _containers_row(usage: Usage) -> dict[str, str]:
    found = usage.get("Containers") or []
    total = sum(item.get("SizeRw") or 0 for item in found)
    free = sum(item.get("SizeRw") or 0 for item in found if item.get("State") not in RUNNING)
    active = sum(1 for item in found if item.get("State") in RUNNING)
    return _row("Containers", len(found), active, total, _reclaimable(free, total))


def _volumes_row(usage: Usage) -> dict[str, str]:
    found = usage.get("Volumes") or []
    sizes = [(item.get("UsageData") or {}).get("Size", 0) for item in found]
    counts = [(item.get("UsageData") or {}).get("RefCount", 0) for item in found]
    total = sum(size for size in sizes if size > 0)
    free = sum(size for size, count in zip(sizes, counts, strict=True) if count == 0 and size > 0)
    active = sum(1 for count in counts if count > 0)
    return _row("Local Volumes", len(found), active, total, _reclaimable(free, total))


def _cache_row(usage: Usage) -> dict[str, str]:
    found = usage.get("BuildCache") or []
    total = sum(item["Size"] for item in found if not item.get("Shared"))
    used = sum(item["Size"] for item in found if item.get("InUse") and not item.get("Shared"))
    active = sum(1 for item in found if item.get("InUse"))
    return _row("Build Cache", len(found), active, total, human_size(total - used))


def _summary_listing() -> Listing:
    headings = ("TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE")
    columns: dict[str, Any] = {
        name: (heading, lambda item, name=name: item[name])
        for name, heading in zip(SUMMARY_FIELDS, headings, strict=True)
    }
    return Listing(SUMMARY_TYPE, columns, SUMMARY_FIELDS)


def _cache_listing() -> Listing:
    columns: dict[str, Any] = {
        "ID": ("CACHE ID", lambda item: item["ID"][:12]),
        "Parent": ("PARENT", lambda item: ", ".join(item.get("Parents") or ())),
        "CacheType": ("CACHE TYPE", lambda item: item["Type"]),
        "Description": ("DESCRIPTION", lambda item: item.get("Description", "")),
        "InUse": ("IN USE", lambda item: "true" if item.get("InUse") else "false"),
        "Shared": ("SHARED", lambda item: "true" if item.get("Shared") else "false"),
        "Size": ("SIZE", lambda item: human_size(item["Size"], digits=3)),
        "CreatedAt": ("CREATED AT", lambda item: item.get("CreatedAt", "")),
        "CreatedSince": ("CREATED", lambda item: age(seconds_of(item["CreatedAt"]))),
        "LastUsedAt": ("LAST USED AT", lambda item: item.get("LastUsedAt") or ""),
        "LastUsedSince": (
            "LAST USED",
            lambda item: age(seconds_of(item["LastUsedAt"])) if item.get("LastUsedAt") else "",
        ),
        "UsageCount": ("USAGE", lambda item: str(item.get("UsageCount", 0))),
    }
    return Listing("*formatter.buildCacheContext", columns, CACHE_FIELDS)


def _verbose_listings(*, full_ids: bool) -> dict[str, Listing]:
    image = images.listing(full=full_ids)
    container = containers.listing(full=full_ids)
    return {
        "Images": Listing(image.type_name, image.columns, IMAGE_FIELDS),
        "Containers": Listing(container.type_name, container.columns, CONTAINER_FIELDS),
        "Volumes": volumes.listing(("Name", "Links", "Size")),
        "BuildCache": _cache_listing(),
    }


def _verbose_items(usage: Usage) -> dict[str, list[Any]]:
    return {
        "Images": images.rows(usage.get("Images") or []),
        # Only what the container itself takes: the image's size has its own table.
        "Containers": [{**item, "SizeRootFs": 0} for item in usage.get("Containers") or ()],
        "Volumes": usage.get("Volumes") or [],
        "BuildCache": usage.get("BuildCache") or [],
    }


def _verbose_text(usage: Usage) -> str:
    listings, items = _verbose_listings(full_ids=False), _verbose_items(usage)
    cache = human_size(sum(item["Size"] for item in items["BuildCache"]))
    titles = {
        "Images": "Images space usage:\n\n",
        "Containers": "\nContainers space usage:\n\n",
        "Volumes": "\nLocal Volumes space usage:\n\n",
        "BuildCache": f"\nBuild cache usage: {cache}\n\n",
    }
    return "".join(titles[name] + listings[name].text(items[name]) for name in titles)


def _verbose_templated(usage: Usage, text: str) -> str:
    from sampan.lib.gotemplate.values import Record

    listings, items = _verbose_listings(full_ids=True), _verbose_items(usage)
    records: dict[str, object] = {
        name: [Record(listing.type_name, listing.columns, item) for item in items[name]]
        for name, listing in listings.items()
    }
    if text == "json":
        return _verbose_json(listings, items) + "\n"
    if text in {"{{json .}}", "{{ json . }}"}:
        return _verbose_json(listings, items)
    return render(parse_template(unescape(text)), records)


def _verbose_json(listings: dict[str, Listing], items: dict[str, list[Any]]) -> str:
    parts = []
    for name, listing in listings.items():
        rows = ",".join(line for line in listing.text(items[name], "json").splitlines())
        parts.append(f"{encode(name)}:[{rows}]")
    return "{" + ",".join(parts) + "}"


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    usage = context.client.get("/system/df")
    format_text = flags.text("format")
    if flags.on("verbose"):
        context.out(_verbose_templated(usage, format_text) if format_text else _verbose_text(usage))
        return 0
    rows = [_images_row(usage), _containers_row(usage), _volumes_row(usage), _cache_row(usage)]
    context.out(_summary_listing().text(rows, format_text))
    return 0


DF = Command(
    run,
    "[OPTIONS]",
    flags=(
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("verbose", "v", "bool", "Show detailed information on space usage"),
    ),
)
