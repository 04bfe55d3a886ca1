"""Whether everything that an engine has on disk and in the kernel belongs together.

Every record has what it names, whole; nothing is there that no record names. Takes a running
daemon at rest; garbage of interrupted work must have been collected before (`docker image prune`).
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from integration.harness import Engine
from integration.leftovers import CGROUPS


def flaws(engine: Engine, *, garbage: bool = False) -> list[str]:
    """What is wrong; with `garbage` blobs and layers that nobody uses are allowed."""
    database = engine.home / "data" / "sampan.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
        images = _images(rows)
        containers = {key for (key,) in _query(rows, "documents WHERE kind = 'container'", "id")}
        snapshots = {
            key: (parent, committed, directory)
            for key, parent, committed, directory in _query(
                rows, "snapshots", "key, parent, committed, directory"
            )
        }
        names = [*_query(rows, "image_refs", "image"), *_query(rows, "image_digests", "image")]
    running = set(engine.docker("ps", "-q", "--no-trunc").stdout.split())
    return [
        *(f"name of no image {image}" for (image,) in names if image not in images),
        *_content(engine, images, garbage=garbage),
        *_snapshots(engine, images, containers, snapshots, garbage=garbage),
        *_containers(engine, containers, running),
    ]


def _query(rows: sqlite3.Connection, source: str, columns: str) -> list[tuple[Any, ...]]:
    return rows.execute(f"SELECT {columns} FROM {source}").fetchall()


def _images(rows: sqlite3.Connection) -> dict[str, tuple[set[str], str]]:
    """Image -> (the blobs it needs, the chain it stands on)."""
    found = {}
    for key, manifest, layers, chain in _query(rows, "images", "id, manifest, layers, chain_id"):
        descriptors = json.loads(layers) + ([json.loads(manifest)] if manifest else [])
        found[key] = ({key, *(one["digest"] for one in descriptors)}, chain)
    return found


def _content(
    engine: Engine, images: dict[str, tuple[set[str], str]], *, garbage: bool
) -> Iterator[str]:
    folder = engine.home / "data" / "content"
    present = set()
    for path in (folder / "blobs" / "sha256").iterdir():
        present.add(f"sha256:{path.name}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
            yield f"broken blob {path.name}"
    needed = {digest for blobs, _ in images.values() for digest in blobs}
    yield from (f"missing blob {digest}" for digest in needed - present)
    if not garbage:
        yield from (f"blob of nobody {digest}" for digest in present - needed)
    yield from (f"half a blob {path.name}" for path in (folder / "ingest").iterdir())
    yield from (f"scratch {path.name}" for path in (engine.home / "data" / "tmp").iterdir())


def _snapshots(
    engine: Engine,
    images: dict[str, tuple[set[str], str]],
    containers: set[str],
    snapshots: dict[str, tuple[str | None, int, str]],
    *,
    garbage: bool,
) -> Iterator[str]:
    folder = engine.home / "data" / "snapshots"
    directories = {path.name for path in folder.iterdir()} - {"empty"}
    named = {directory for _, _, directory in snapshots.values()}
    yield from (f"snapshot without directory {name}" for name in named - directories)
    yield from (f"directory of no snapshot {name}" for name in directories - named)
    used: set[str] = set()
    for key in [*(chain for _, chain in images.values() if chain), *containers]:
        if key not in snapshots:
            yield f"missing snapshot {key}"
        following: str | None = key
        while following is not None and following in snapshots:
            used.add(following)
            following = snapshots[following][0]
    active = {key for key, (_, committed, _) in snapshots.items() if not committed}
    unused = (active if garbage else set(snapshots)) - used
    yield from (f"snapshot of nobody {key}" for key in unused)


def _containers(engine: Engine, containers: set[str], running: set[str]) -> Iterator[str]:
    """Homes are those of all containers; what is in the kernel, of the running ones."""
    execution = engine.home / "exec"
    places = {
        "home": (engine.home / "data" / "containers", containers),
        "task": (execution / "tasks", running),
        "root": (execution / "rootfs", running),
        "sandbox": (execution / "netns", running),
        "step": (execution / "build" / "steps", set()),
    }
    for what, (folder, wanted) in places.items():
        found = {path.name for path in folder.iterdir()} if folder.exists() else set()
        yield from (f"missing {what} {name}" for name in wanted - found)
        yield from (f"{what} of nobody {name}" for name in found - wanted)
    for state in (execution / "oci").glob("*/*"):
        if state.name not in running:
            yield f"runtime state of nobody {state}"
    for group in CGROUPS.glob(f"*/sampan-{engine.tag}/*"):
        if group.is_dir() and group.name not in running:
            yield f"cgroup of nobody {group}"
    yield from _ends_of_nobody(engine, running)


def _ends_of_nobody(engine: Engine, running: set[str]) -> Iterator[str]:
    """As many veth ends as endpoints; the kernel needs a moment to remove one."""
    ends = [path.name for path in Path("/sys/class/net").glob(f"sv{engine.tag}*")]
    if len(ends) > len(running):
        yield f"{len(ends)} veth ends for {len(running)} containers: {ends}"
