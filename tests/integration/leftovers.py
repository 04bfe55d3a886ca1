"""What still exists of an engine: processes, mounts, links, nftables tables, cgroups, loop devices.

Everything that an engine makes in the kernel carries its tag (a hash of its data root), lies below
its directory, or is known to its records; so engines of several test sessions don't confuse each
other.
"""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def tag_of(data_root: Path) -> str:
    return hashlib.sha256(str(data_root.resolve()).encode()).hexdigest()[:6]


def bridges_of(tag: str) -> set[str]:
    """The bridges that the engine's table knows, those of user-defined networks among them."""
    known = subprocess.run(
        ["nft", "list", "set", "ip", f"sampan_{tag}", "bridges"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return set(re.findall('"([^"]+)"', known))


def remains(home: Path, tag: str, bridges: set[str], children: set[int]) -> list[str]:
    """`bridges` and `children` are what its daemons had at their ends."""
    return [
        *_mounts(home),
        *_processes(home, tag, children),
        *_links(tag, bridges),
        *_tables(tag),
        *_cgroups(tag),
        *_loops(home),
    ]


def _mounts(home: Path) -> Iterator[str]:
    """Root file systems, network namespaces, volumes, build steps."""
    for row in Path("/proc/self/mountinfo").read_text().splitlines():
        if str(home) in row:
            yield f"mount {row.split()[4]}"


def _processes(home: Path, tag: str, children: set[int]) -> Iterator[str]:
    """Daemon and clients by their command line, monitors by open files, containers by cgroup."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = (entry / "comm").read_text().strip()
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                ours = not _has_ended(entry) and (
                    str(home) in command
                    or f"/sampan-{tag}" in (entry / "cgroup").read_text()
                    or (name.startswith("sampan-") and _holds_files_below(entry, home))
                    or (name == "sampan-zygote" and int(entry.name) in children)
                )
            except OSError:  # it has ended meanwhile
                continue
            if ours:
                yield f"process {entry.name} {name}"


def _has_ended(process: Path) -> bool:
    """A zombie is its parent's business: often process 1's, who takes its time."""
    return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _holds_files_below(process: Path, home: Path) -> bool:
    return any(str(home) in str(link.readlink()) for link in (process / "fd").iterdir())


def _links(tag: str, bridges: set[str]) -> Iterator[str]:
    """Bridges and the host's ends of veth pairs."""
    for path in Path("/sys/class/net").iterdir():
        if path.name in bridges or path.name.startswith((f"sampan{tag}", f"sv{tag}", f"o{tag}")):
            yield f"link {path.name}"


def _tables(tag: str) -> Iterator[str]:
    """Our own table, and rules that we put into tables of others."""
    rules = subprocess.run(
        ["nft", "list", "ruleset"], capture_output=True, text=True, check=True
    ).stdout
    for row in rules.splitlines():
        if f"sampan_{tag}" in row or f"sampan{tag}" in row or f"sv{tag}" in row:
            yield f"nft {row.strip()}"


def _cgroups(tag: str) -> Iterator[str]:
    """In every hierarchy of version 1, in version 2's, and in that mounted beside them."""
    for pattern in (f"sampan-{tag}", f"*/sampan-{tag}"):
        for path in CGROUPS.glob(pattern):
            yield f"cgroup {path}"


def _loops(home: Path) -> Iterator[str]:
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        if str(home) in path.read_text():
            yield f"loop {path.parts[3]} of {path.read_text().strip()}"
