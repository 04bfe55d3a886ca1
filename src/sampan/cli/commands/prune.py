"""Prune verbs, each alone and all together as `system prune`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.prompt import confirmed
from sampan.client.api import filters_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Filters = dict[str, list[str]]

CONTAINERS_WARNING = "WARNING! This will remove all stopped containers."
DANGLING_WARNING = "WARNING! This will remove all dangling images."
IMAGES_WARNING = (
    "WARNING! This will remove all images without at least one container associated to them."
)
NETWORKS_WARNING = (
    "WARNING! This will remove all custom networks not used by at least one container."
)
ANONYMOUS_WARNING = (
    "WARNING! This will remove anonymous local volumes not used by at least one container."
)
VOLUMES_WARNING = "WARNING! This will remove all local volumes not used by at least one container."
CACHE_WARNING = "WARNING! This will remove all dangling build cache."
WHOLE_CACHE_WARNING = "WARNING! This will remove all build cache."


def _filters(context: Context, flags: Flags) -> Filters:
    """The filters of the command line and `pruneFilters` of the configuration file."""
    filters = flags.filters()
    configured = context.config.values.get("pruneFilters") or ()
    for item in configured:
        key, _, value = str(item).partition("=")
        filters.setdefault(key, []).append(value)
    return filters


def _post(context: Context, noun: str, filters: Filters) -> Any:
    query = [("filters", filters_text(filters))] if filters else []
    return context.client.post(f"/{noun}/prune", query) or {}


def _reclaimed(context: Context, size_bytes: int) -> None:
    from sampan.lib.units import human_size

    context.out(f"Total reclaimed space: {human_size(size_bytes)}\n")


def _lines(title: str, lines: list[str]) -> str:
    return f"{title}:\n" + "".join(line + "\n" for line in lines) + "\n" if lines else ""


def prune_containers(context: Context, filters: Filters) -> tuple[int, str]:
    answer = _post(context, "containers", filters)
    text = _lines("Deleted Containers", answer.get("ContainersDeleted") or [])
    return answer.get("SpaceReclaimed") or 0, text


def prune_networks(context: Context, filters: Filters) -> tuple[int, str]:
    answer = _post(context, "networks", filters)
    return 0, _lines("Deleted Networks", answer.get("NetworksDeleted") or [])


def prune_volumes(context: Context, filters: Filters) -> tuple[int, str]:
    answer = _post(context, "volumes", filters)
    text = _lines("Deleted Volumes", answer.get("VolumesDeleted") or [])
    return answer.get("SpaceReclaimed") or 0, text


def prune_images(context: Context, filters: Filters, *, whole: bool) -> tuple[int, str]:
    answer = _post(context, "images", {**filters, "dangling": ["false" if whole else "true"]})
    lines = [
        f"untagged: {step['Untagged']}" if step.get("Untagged") else f"deleted: {step['Deleted']}"
        for step in answer.get("ImagesDeleted") or ()
    ]
    return answer.get("SpaceReclaimed") or 0, _lines("Deleted Images", lines)


def prune_cache(
    context: Context, filters: Filters, *, whole: bool, keep_bytes: int = 0
) -> tuple[int, str]:
    query = [("all", "1")] if whole else []
    if keep_bytes:
        query.append(("keep-storage", str(keep_bytes)))
    if filters:
        query.append(("filters", filters_text(filters)))
    answer = context.client.post("/build/prune", query) or {}
    text = _lines("Deleted build cache objects", answer.get("CachesDeleted") or [])
    return answer.get("SpaceReclaimed") or 0, text


def containers(context: Context, flags: Flags, _arguments: list[str]) -> int:
    if not flags.on("force") and not confirmed(context, CONTAINERS_WARNING):
        return 0
    size, text = prune_containers(context, _filters(context, flags))
    context.out(text)
    _reclaimed(context, size)
    return 0


def images(context: Context, flags: Flags, _arguments: list[str]) -> int:
    whole = flags.on("all")
    warning = IMAGES_WARNING if whole else DANGLING_WARNING
    if not flags.on("force") and not confirmed(context, warning):
        return 0
    size, text = prune_images(context, _filters(context, flags), whole=whole)
    context.out(text)
    _reclaimed(context, size)
    return 0


def networks(context: Context, flags: Flags, _arguments: list[str]) -> int:
    if not flags.on("force") and not confirmed(context, NETWORKS_WARNING):
        return 0
    _, text = prune_networks(context, _filters(context, flags))
    context.out(text)
    return 0


def volumes(context: Context, flags: Flags, _arguments: list[str]) -> int:
    filters = _filters(context, flags)
    whole = flags.on("all")
    if whole:
        if "all" in filters:
            raise Exit(1, "conflicting options: cannot specify both --all and --filter all=1")
        filters["all"] = ["true"]
    warning = VOLUMES_WARNING if whole else ANONYMOUS_WARNING
    if not flags.on("force") and not confirmed(context, warning):
        return 0
    size, text = prune_volumes(context, filters)
    context.out(text)
    _reclaimed(context, size)
    return 0


def build_cache(context: Context, flags: Flags, _arguments: list[str]) -> int:
    whole = flags.on("all")
    warning = WHOLE_CACHE_WARNING if whole else CACHE_WARNING
    if not flags.on("force") and not confirmed(context, warning):
        return 0
    size, text = prune_cache(
        context, flags.filters(), whole=whole, keep_bytes=flags.number("keep-storage")
    )
    context.out(text)
    _reclaimed(context, size)
    return 0


def _system_warning(flags: Flags) -> str:
    whole = flags.on("all")
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if flags.on("volumes"):
        lines.append("all anonymous volumes not used by at least one container")
    lines.append(
        "all images without at least one container associated to them"
        if whole
        else "all dangling images"
    )
    lines.append("all build cache" if whole else "unused build cache")
    text = "WARNING! This will remove:\n" + "".join(f"  - {line}\n" for line in lines)
    if items := flags.items("filter"):
        text += "\n  Items to be pruned will be filtered with:\n"
        text += "".join(f"  - {item}\n" for item in items)
    return text


def system(context: Context, flags: Flags, _arguments: list[str]) -> int:
    filters = _filters(context, flags)
    if flags.on("volumes") and "until" in filters:
        raise Exit(1, 'ERROR: The "until" filter is not supported with "--volumes"')
    if not flags.on("force") and not confirmed(context, _system_warning(flags)):
        return 0
    whole = flags.on("all")
    steps = [prune_containers(context, filters), prune_networks(context, filters)]
    if flags.on("volumes"):
        steps.append(prune_volumes(context, filters))
    steps.append(prune_images(context, filters, whole=whole))
    steps.append(prune_cache(context, filters, whole=whole))
    for _, text in steps:
        context.out(text)
    _reclaimed(context, sum(size for size, _ in steps))
    return 0


_FILTER = Flag("filter", "", "filter", 'Provide filter values (e.g. "label=<key>=<value>")')
_FORCE = Flag("force", "f", "bool", "Do not prompt for confirmation")

CONTAINERS = Command(containers, "[OPTIONS]", flags=(_FILTER, _FORCE))
NETWORKS = Command(networks, "[OPTIONS]", flags=(_FILTER, _FORCE))
IMAGES = Command(
    images,
    "[OPTIONS]",
    flags=(
        Flag("all", "a", "bool", "Remove all unused images, not just dangling ones"),
        _FILTER,
        _FORCE,
    ),
)
VOLUMES = Command(
    volumes,
    "[OPTIONS]",
    flags=(
        Flag("all", "a", "bool", "Remove all unused volumes, not just anonymous ones"),
        _FILTER,
        _FORCE,
    ),
)
BUILD_CACHE = Command(
    build_cache,
    "[OPTIONS]",
    flags=(
        Flag("all", "a", "bool", "Remove all unused build cache, not just dangling ones"),
        _FILTER,
        _FORCE,
        Flag("keep-storage", "", "bytes", "Amount of disk space to keep for cache"),
    ),
)
SYSTEM = Command(
    system,
    "[OPTIONS]",
    flags=(
        Flag("all", "a", "bool", "Remove all unused images not just dangling ones"),
        _FILTER,
        _FORCE,
        Flag("volumes", "", "bool", "Prune anonymous volumes"),
    ),
)
