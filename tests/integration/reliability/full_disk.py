"""Round two: the data root's file system fills up, again and again, at every kind of write.

Each time some room is left by chance: whichever write is the first that doesn't fit. While the disk
is full the API answers, containers end, `rm` and prune work; nothing half-made stays. With room
again everything works at once.
"""

import os
import random
import signal
import subprocess
from pathlib import Path

from integration.harness import Engine
from integration.reliability.api import Api
from integration.reliability.outcome import Outcome, check_log, check_no_remains, check_whole

MIB = 1 << 20
DISK = 64 * MIB
ROOM = (0, 4096, 16_384, 65_536, 256 * 1024, MIB)  # what the disk has left when it starts
FULL = "no space left on device"
TALK = "while :; do echo 0123456789012345678901234567890123456789; done"


class _Disk:
    """A small tmpfs, and a file in it that takes the room away."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ballast = root / "ballast"

    def fill(self, left_bytes: int) -> None:
        with self._ballast.open("ab", buffering=0) as out:
            while (excess := self._free() - left_bytes) > 0:
                try:
                    out.write(bytes(min(excess, MIB)))
                except OSError:  # somebody else was quicker
                    return

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def _free(self) -> int:
        facts = os.statvfs(self._root)
        return facts.f_bavail * facts.f_bsize


class _Round:
    def __init__(self, engine: Engine, disk: _Disk, outcome: Outcome) -> None:
        self._engine = engine
        self._disk = disk
        self._outcome = outcome
        self._api = Api(engine.socket)
        self.refused = self.done = 0

    def run(self, chance: random.Random) -> None:
        self._before()
        self._disk.fill(chance.choice(ROOM))
        works = [self._create, self._run, self._log, self._commit, self._write_records]
        chance.shuffle(works)
        for work in works:
            work()
            self._disk.fill(0 if chance.random() < 0.5 else chance.choice(ROOM))
        if chance.random() < 0.3:
            self._engine.restart(signal.SIGKILL)
        self._disk.fill(0)
        self._tidy()
        self._disk.make_room()
        self._afterwards()

    def _before(self) -> None:
        for name in ("idle", "ends"):
            script = "sleep 100000" if name == "idle" else "exec sleep 3"
            self._engine.docker("run", "-d", "--name", name, "busybox", "sh", "-c", script)
        self._engine.docker("create", "--name", "grown", "busybox", "true")
        self._engine.docker("cp", "/bin/busybox", "grown:/extra")
        self._engine.docker("tag", "busybox", "spare")

    def _try(self, *argv: str, text: str = FULL) -> bool:
        """It works, or says why not."""
        done = self._engine.docker(*argv, check=False)
        if done.returncode:
            self.refused += 1
            said = (done.stdout + done.stderr).lower()
            self._outcome.check(text in said, f"{argv}: {done.returncode}: {said[-300:]}")
        else:
            self.done += 1
        self._answers()
        return done.returncode == 0

    def _answers(self) -> None:
        for path in ("/_ping", "/containers/json?all=1", "/images/json", "/info"):
            status, _ = self._api.call("GET", path)
            self._outcome.check(status == 200, f"{path}: {status}")

    def _create(self) -> None:
        for number in range(3):
            self._try("create", "--name", f"created{number}", "-v", "/data", "busybox", "true")

    def _run(self) -> None:
        self._try("run", "-d", "--name", "ran", "busybox", "sleep", "1000")
        self._try("exec", "idle", "true")

    def _log(self) -> None:
        """A log that fills the disk must not hold up its container, or anybody."""
        if self._try("run", "-d", "--name", "talks", "busybox", "sh", "-c", TALK):
            self._disk.fill(0)
            self._try("exec", "talks", "true")
            self._try("logs", "--tail", "1", "talks")
            self._try("kill", "talks")

    def _commit(self) -> None:
        self._try("commit", "grown", "committed")
        self._try("import", "/bin/busybox", "imported", text="")

    def _write_records(self) -> None:
        self._try("volume", "create", "volume")
        self._try("network", "create", "--internal", "net")
        self._try("tag", "busybox", "another")
        self._try("update", "--memory", "64m", "--memory-swap", "64m", "idle")

    def _tidy(self) -> None:
        """Not a byte is free."""
        self._must("stop", "-t", "0", "idle")
        names = self._must("ps", "-aq").split()
        for name in names[: len(names) // 2]:
            self._must("rm", "-f", "-v", name)
        running = self._must("ps", "-q").split()
        if running:
            self._must("kill", *running)
            self._must("wait", *running)
        self._must("container", "prune", "-f")
        self._outcome.check(not self._must("ps", "-aq"), "containers are left after a prune")
        self._must("volume", "prune", "-a", "-f")
        self._must("network", "prune", "-f")
        for image in self._must("images", "--format", "{{.Repository}}").split():
            if image not in {"busybox", "<none>"}:
                self._must("rmi", image)
        self._must("image", "prune", "-f")

    def _must(self, *argv: str) -> str:
        done = self._engine.docker(*argv, check=False)
        self._outcome.check(done.returncode == 0, f"on a full disk: {argv}: {done.stderr[-300:]}")
        return done.stdout

    def _afterwards(self) -> None:
        check_whole(self._engine, self._outcome, "after the disk was full")
        out = self._engine.docker("run", "--rm", "busybox", "echo", "well").stdout
        self._outcome.check(out == "well\n", f"run says {out!r}")


def fills(count: int, seed: int = 1) -> Outcome:
    outcome = Outcome()
    engine = Engine()
    root = engine.home / "data"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", root], check=True)
    try:
        engine.start()
        engine.import_busybox()
        work = _Round(engine, _Disk(root), outcome)
        chance = random.Random(seed)
        for _ in range(count):
            work.run(chance)
        outcome.figures |= {
            "disk filled": count,
            "operations that said so": work.refused,
            "operations that still fitted": work.done,
        }
        check_log(engine, outcome)
    finally:
        (root / "ballast").unlink(missing_ok=True)
        engine.shut()
        subprocess.run(["umount", root], check=True)
    check_no_remains(engine, outcome)
    return outcome
