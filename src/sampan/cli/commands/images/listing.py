"""`images`: one row per tag, digest or untagged image."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import Flag
from sampan.cli.human import age, local_time, short_id, size3
from sampan.cli.output import Listing
from sampan.client.api import filters_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Item = dict[str, Any]

TYPE_NAME = "*formatter.imageContext"
NONE = "<none>"


def _split_tag(reference: str) -> tuple[str, str]:
    name, colon, tag = reference.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (reference, NONE)


def rows(images: list[Item], *, with_digests: bool = False) -> list[Item]:
    """One item per (repository, tag), or per (repository, tag, digest)."""
    found: list[Item] = []
    for image in images:
        tags = [_split_tag(tag) for tag in image.get("RepoTags") or () if tag != "<none>:<none>"]
        digests = [
            tuple(digest.split("@", 1))
            for digest in image.get("RepoDigests") or ()
            if "@" in digest
        ]
        digests = [digest for digest in digests if digest[0] != NONE]
        of_name: dict[str, list[str]] = {}
        for name, digest in digests:
            of_name.setdefault(name, []).append(digest)
        if not tags and not digests:
            found.append({**image, "_name": (NONE, NONE, NONE)})
        for name, tag in tags:
            shown = of_name.get(name, [NONE]) if with_digests else of_name.get(name, [NONE])[:1]
            found += [{**image, "_name": (name, tag, digest)} for digest in shown]
        tagged = {name for name, _ in tags}
        for name, known in of_name.items():
            if name not in tagged:
                shown = known if with_digests else known[:1]
                found += [{**image, "_name": (name, NONE, digest)} for digest in shown]
    return found


def _optional_size(value: Any) -> str:
    return "N/A" if value is None or value < 0 else size4(value)


def listing(*, full: bool, digests: bool = False) -> Listing:
    columns: dict[str, Any] = {
        "ID": ("IMAGE ID", lambda row: row["Id"] if full else short_id(row["Id"])),
        "Repository": ("REPOSITORY", lambda row: row["_name"][0]),
        "Tag": ("TAG", lambda row: row["_name"][1]),
        "Digest": ("DIGEST", lambda row: row["_name"][2]),
        "CreatedSince": (
            "CREATED",
            lambda row: age(row["Created"]) if row["Created"] > 0 else "N/A",
        ),
        "CreatedAt": ("CREATED AT", lambda row: local_time(row["Created"])),
        "Size": ("SIZE", lambda row: size3(row["Size"])),
        "Containers": (
            "CONTAINERS",
            lambda row: "N/A" if row.get("Containers", -1) < 0 else str(row["Containers"]),
        ),
        "VirtualSize": ("SIZE", lambda row: size4(row.get("VirtualSize") or row["Size"])),
        "SharedSize": ("SHARED SIZE", lambda row: _optional_size(row.get("SharedSize"))),
        "UniqueSize": ("UNIQUE SIZE", _unique_size),
    }
    fields = ["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"]
    if not digests:
        fields.remove("Digest")
    return Listing(TYPE_NAME, columns, fields)


def size4(size_bytes: float) -> str:
    from sampan.lib.units import human_size

    return human_size(size_bytes)


def _unique_size(row: Item) -> str:
    shared = row.get("SharedSize", -1)
    if shared is None or shared < 0:
        return "N/A"
    return size4(row["Size"] - shared)


def run(context: Context, flags: Flags, arguments: list[str]) -> int:
    filters = flags.filters()
    if arguments:
        filters.setdefault("reference", []).append(arguments[0])
    query = [("all", "1")] if flags.on("all") else []
    if filters:
        query.append(("filters", filters_text(filters)))
    images = context.client.get("/images/json", query)
    images.sort(key=lambda image: image["Created"], reverse=True)
    format_text, quiet = flags.text("format"), flags.on("quiet")
    if not format_text and not quiet:
        format_text = context.config.text("imagesFormat")
    full, digests = flags.on("no-trunc"), flags.on("digests")
    if quiet and format_text in {"", "table"}:
        for image in rows(images, with_digests=digests):
            context.out((image["Id"] if full else short_id(image["Id"])) + "\n")
        return 0
    shown = listing(full=full, digests=digests)
    context.out(shown.text(rows(images, with_digests=digests), format_text))
    return 0


LS = Command(
    run,
    "[OPTIONS] [REPOSITORY[:TAG]]",
    flags=(
        Flag("all", "a", "bool", "Show all images (default hides intermediate images)"),
        Flag("digests", "", "bool", "Show digests"),
        Flag("filter", "f", "filter", "Filter output based on conditions provided"),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("quiet", "q", "bool", "Only show image IDs"),
    ),
    most=1,
)
