"""What a round has measured, and what was wrong."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from integration.harness import Engine
from integration.wholeness import flaws


@dataclass
class Outcome:
    """Filled from several threads: both members are only ever added to."""

    figures: dict[str, object] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def check(self, condition: object, fault: str) -> None:
        if not condition:
            self.faults.append(fault)


def eventually(condition: Callable[[], object], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def check_whole(engine: Engine, outcome: Outcome, when: str) -> None:
    """Records, disk and kernel agree; ends of containers and the kernel may take a moment."""
    engine.docker("image", "prune", "-f")
    found: list[str] = []

    def whole() -> bool:
        found[:] = flaws(engine)
        return not found

    if not eventually(whole, 10):
        outcome.faults.extend(f"{when}: {flaw}" for flaw in found)


def check_no_remains(engine: Engine, outcome: Outcome) -> None:
    """After `shut`. The engine's directory stays if there is something to look for in it."""
    left: list[str] = []

    def gone() -> bool:
        left[:] = engine.leftovers()
        return not left

    if not eventually(gone, 10):
        outcome.faults.extend(f"left behind: {thing}" for thing in left)
    if not outcome.faults:
        shutil.rmtree(engine.home)


def check_log(engine: Engine, outcome: Outcome) -> None:
    """No error of the daemon's own making."""
    rows = engine.log.read_text(errors="replace").splitlines()
    for number, row in enumerate(rows):
        if row.startswith("Traceback") or "ERROR asyncio" in row:
            outcome.faults.append("daemon's log: " + " | ".join(rows[max(0, number - 1) :][:40]))
            return


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory_kib(pid: int) -> int:
    """Resident memory that is the process's own."""
    for row in Path(f"/proc/{pid}/status").read_text().splitlines():
        if row.startswith("RssAnon:"):
            return int(row.split()[1])
    return 0


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def monitors(engine: Engine, names: list[str]) -> list[int]:
    """Those of running containers."""
    rows = engine.docker("inspect", "-f", "{{.State.Pid}}", *names).stdout.split()
    found = []
    for row in rows:
        with suppress(OSError):
            found.append(parent_of(int(row)))
    return found
