"""From flags to a Control.Solve request: the attributes of the dockerfile.v0 frontend, exporters,
caches and entitlements, with the names that BuildKit's clients use.
"""

from __future__ import annotations

import os
import sys

from sampan.cli.building import fields
from sampan.cli.command import Exit
from sampan.client.buildkit.session import Output
from sampan.wire.buildkit.control import CacheEntry, CacheOptions, Exporter, SolveRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.building.fields import Wanted
    from sampan.cli.building.sources import Sources
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

FRONTEND = "dockerfile.v0"
EPOCH = "SOURCE_DATE_EPOCH"
_FILES = frozenset({"tar", "oci", "docker"})


def outputs_of(flags: Flags) -> list[Wanted]:
    """What becomes of the result; the engine's store when nothing is said."""
    read = fields.checked("output", fields.output)
    found = [read(text) for text in flags.items("output")]
    wanted: list[Wanted] = found  # type: ignore[assignment] # `checked` keeps no types
    if flags.on("push"):
        images = [one for one in wanted if one.kind == "image"]
        for one in images:
            one.attributes["push"] = "true"
        if not images:
            wanted.append(fields.Wanted("image", {"push": "true"}))
    if flags.on("load") and not any(one.kind == "moby" for one in wanted):
        wanted.append(fields.Wanted("moby", {}))
    if not wanted:
        wanted.append(fields.Wanted("moby", {}))
    for one in wanted:
        if one.dest == "-" and sys.stdout.isatty():
            raise Exit(
                1,
                f"ERROR: dest file is required for {one.kind} exporter. "
                "refusing to write to console",
            )
    return wanted


def places_of(wanted: list[Wanted]) -> dict[int, Output]:
    """By the number of the exporter in the request."""
    exporting = [one for one in wanted if one.kind != "cacheonly"]
    return {
        number: Output(one.dest, one.kind in _FILES)
        for number, one in enumerate(exporting)
        if one.dest
    }


def solve_request(
    context: Context, flags: Flags, sources: Sources, wanted: list[Wanted]
) -> SolveRequest:
    names = ",".join(flags.items("tag"))
    exporters = [
        Exporter(one.kind, {"name": names, **one.attributes} if names else dict(one.attributes))
        for one in wanted
        if one.kind != "cacheonly"
    ]
    return SolveRequest(
        Frontend=FRONTEND,
        FrontendAttrs={**_attributes(context, flags), **_contexts(flags, sources)},
        Exporters=[] if flags.on("check") else exporters,
        Cache=CacheOptions(Exports=_cache(flags, "cache-to"), Imports=_cache(flags, "cache-from")),
        Entitlements=flags.items("allow"),
    )


def _attributes(context: Context, flags: Flags) -> dict[str, str]:
    platform = flags.text("platform") or context.environment.get("DOCKER_DEFAULT_PLATFORM", "")
    network = flags.text("network")
    found = {
        "target": flags.text("target"),
        "platform": platform.lower(),
        "force-network-mode": "" if network == "default" else network,
        "add-hosts": ",".join(_host(entry) for entry in flags.items("add-host")),
        "cgroup-parent": flags.text("cgroup-parent"),
        "shm-size": str(flags.number("shm-size") or ""),
        "ulimit": ",".join(
            f"{one['Name']}={one['Soft']}:{one['Hard']}"  # type: ignore[index] # checks.ulimit's
            for one in flags.objects("ulimit")
        ),
        "image-resolve-mode": "pull" if flags.on("pull") else "",
        "requestid": "frontend.lint" if flags.on("check") else "",
        **{f"label:{name}": value for name, value in flags.mapping("label").items()},
        **{f"build-arg:{name}": value for name, value in _arguments(context, flags).items()},
    }
    kept = {name: value for name, value in found.items() if value or ":" in name}
    if flags.on("no-cache"):
        kept["no-cache"] = ""
    elif flags.items("no-cache-filter"):
        kept["no-cache"] = ",".join(flags.items("no-cache-filter"))
    return kept


def _arguments(context: Context, flags: Flags) -> dict[str, str]:
    """Values of --build-arg; a bare NAME takes ours, or isn't given."""
    found: dict[str, str] = {}
    for item in flags.items("build-arg"):
        name, equals, value = item.partition("=")
        if equals or name in os.environ:
            found[name] = value if equals else os.environ[name]
    for name, value in context.config.proxy_variables(context.client.endpoint.address).items():
        found.setdefault(name, value)
    if epoch := context.environment.get(EPOCH, ""):
        found.setdefault(EPOCH, epoch)
    if flags.on("explain"):
        found["SAMPAN_EXPLAIN"] = "1"
    return found


def _host(entry: str) -> str:
    """`name:address` or `name=address`, to BuildKit's `name=address`."""
    cut = min((at for at in (entry.find(":"), entry.find("=")) if at >= 0), default=len(entry))
    return f"{entry[:cut]}={entry[cut + 1 :]}"


def _contexts(flags: Flags, sources: Sources) -> dict[str, str]:
    """--build-context NAME=directory | docker-image://... | URL; directories are offered too."""
    found = dict(sources.attributes)
    for name, value in flags.mapping("build-context").items():
        if "://" in value or value.startswith("git@"):
            found[f"context:{name}"] = value
            continue
        if not os.path.isdir(value):  # noqa: PTH112
            raise Exit(1, f"ERROR: failed to find build context {name}: no directory {value}")
        sources.directories[name] = value
        found[f"context:{name}"] = f"local:{name}"
    return found


def _cache(flags: Flags, flag: str) -> list[CacheEntry]:
    found = []
    for text in flags.items(flag):
        try:
            kind, attributes = fields.cache_entry(text)
        except ValueError as error:
            raise Exit(1, f"ERROR: --{flag}: {error}") from error
        for name in ("src", "dest") if kind == "local" else ():
            if attributes.get(name):  # the engine writes and reads them, somewhere else
                attributes[name] = os.path.abspath(attributes[name])  # noqa: PTH100
        found.append(CacheEntry(kind, attributes))
    return found
