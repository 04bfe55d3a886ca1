"""Round three: the power goes, un-fsynced writes are lost, the machine comes up again.

The data root is an ext4 on a loop device. At a random moment of the load its *shutdown* ioctl (as
fstests use it) stops it without a flush: what is on the device is what the daemon made durable,
plus what the kernel happened to write, and nothing else. Half of the cuts mount it so that the
kernel gives no durability away: noauto_da_alloc (a rename doesn't flush the renamed file),
data=writeback, a commit every 300 s instead of 5. Then every process, mount, link, rule and cgroup
of the engine goes, as in a reboot; mounting again replays the file system's journal.

What this can't show: renames in an order other than the journal's, torn sectors.

Afterwards: the daemon starts, every blob that is referenced has its digest, the records fit
together, whatever a client was told is done is there, with its content, and works.
"""

import fcntl
import hashlib
import io
import os
import random
import shutil
import signal
import struct
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from integration.harness import Engine, busybox_rootfs
from integration.leftovers import CGROUPS
from integration.reliability.outcome import Outcome, check_no_remains, check_whole, eventually

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
WITHOUT_FLUSH = 2
STRICT = "noauto_da_alloc,data=writeback,commit=300"
DISK_MIB = 768
KEPT = {"busybox"}


class Disk:
    """An ext4 whose power can be cut."""

    def __init__(self, engine: Engine) -> None:
        self._image = engine.home / "disk.img"
        self._root = engine.home / "data"
        self._root.mkdir()
        with self._image.open("wb") as out:
            out.truncate(DISK_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)

    def mount(self, options: str = "") -> None:
        words = ",".join(filter(None, ["loop", options]))
        subprocess.run(["mount", "-o", words, self._image, self._root], check=True)

    def cut(self) -> None:
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(folder)

    def unmount(self) -> None:
        """Also wait for others' young mount namespaces, which may hold a copy for a moment."""
        subprocess.run(["umount", self._root], check=True)
        assert eventually(self._is_released, 20), "the stopped file system is still in use"

    def _is_released(self) -> bool:
        argv = ["losetup", "-j", self._image]
        return not subprocess.run(argv, capture_output=True, check=True).stdout


def reboot(engine: Engine) -> None:
    """What else is gone with the power. Works by what the engine has left behind."""
    assert engine.process is not None
    with suppress(AssertionError):
        engine.stop(signal.SIGKILL)

    def kill_all() -> bool:
        found = [row.split() for row in engine.leftovers() if row.startswith("process ")]
        for _, pid, *_ in found:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return not found

    assert eventually(kill_all, 20), engine.leftovers()
    mounts = [row.split()[4] for row in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed(mounts):
        if target.startswith(f"{engine.home}/exec"):
            subprocess.run(["umount", "-l", target], check=False, stderr=subprocess.DEVNULL)
    for target in reversed(mounts):
        if target.startswith(f"{engine.home}/data/"):
            subprocess.run(["umount", "-l", target], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(engine.home / "exec", ignore_errors=True)
    _forget_network(engine)
    for pattern in (f"sampan-{engine.tag}", f"*/sampan-{engine.tag}"):
        for top in CGROUPS.glob(pattern):
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()


def _forget_network(engine: Engine) -> None:
    for row in engine.leftovers():
        if row.startswith("link "):
            _quietly("ip", "link", "delete", row.split()[1])
    for family in ("ip", "ip6"):
        _quietly("nft", "delete", "table", family, f"sampan_{engine.tag}")


def _quietly(*argv: str) -> None:
    subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@dataclass
class Promises:
    """What clients were told is done."""

    images: dict[str, str] = field(default_factory=dict)  # name -> sum of its file
    containers: dict[str, str] = field(default_factory=dict)  # name -> image
    volumes: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    exits: dict[str, int] = field(default_factory=dict)  # seen by a client
    removed: set[str] = field(default_factory=set)  # images


def _archive(body: bytes) -> bytes:
    """A root file system with one more file."""
    buffer = io.BytesIO(busybox_rootfs())
    with tarfile.open(fileobj=buffer, mode="a") as out:
        info = tarfile.TarInfo("body")
        info.size = len(body)
        out.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


class Load:
    """Clients that write until the power goes; from then on nothing that they hear counts."""

    def __init__(self, engine: Engine, outcome: Outcome, number: int) -> None:
        self._engine = engine
        self._outcome = outcome
        self._prefix = f"cut{number}"
        self.promises = Promises()
        self._over = threading.Event()
        self.done = 0
        works: list[Callable[[random.Random, int], None]] = [
            self._images,
            self._containers,
            self._records,
            self._commits,
        ]
        self._threads = [threading.Thread(target=self._loop, args=(work,)) for work in works]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def over(self) -> None:
        """Just before the cut."""
        self._over.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _loop(self, work: Callable[[random.Random, int], None]) -> None:
        chance, number = random.Random(work.__name__), 0
        while not self._over.is_set():
            number += 1
            work(chance, number)

    def _ask(self, *argv: str, stdin: bytes | None = None) -> bool:
        """Whether it was answered with success before the cut."""
        try:
            done = self._engine.docker(*argv, check=False, stdin=stdin, timeout=30)
        except subprocess.TimeoutExpired:
            self._outcome.check(self._over.is_set(), f"{argv}: no answer")
            return False
        if self._over.is_set():
            return False
        self.done += 1
        good = done.returncode == 0
        self._outcome.check(good or "No such" in done.stderr, f"{argv}: {done.stderr}")
        return good

    def _images(self, chance: random.Random, number: int) -> None:
        name = f"{self._prefix}image{number}"
        body = chance.randbytes(chance.randrange(1, 2 << 20))
        if self._ask("import", "-", name, stdin=_archive(body)):
            self.promises.images[name] = hashlib.sha256(body).hexdigest()
        if number % 3 == 0:
            gone = f"{self._prefix}image{number - 1}"
            expected = self.promises.images.pop(gone, None)
            if expected and self._ask("rmi", gone):
                self.promises.removed.add(gone)

    def _containers(self, chance: random.Random, number: int) -> None:
        name, code = f"{self._prefix}made{number}", chance.randrange(100)
        script = f"echo said; exit {code}"
        if self._ask("create", "--name", name, "-v", "/data", "busybox", "sh", "-c", script):
            self.promises.containers[name] = "busybox"
        if number % 2 and self._ask("start", name) and self._ask("wait", name):
            self.promises.exits[name] = code

    def _records(self, chance: random.Random, number: int) -> None:
        if self._ask("volume", "create", f"{self._prefix}vol{number}"):
            self.promises.volumes.add(f"{self._prefix}vol{number}")
        if number % 5 == 0 and self._ask("network", "create", f"{self._prefix}net{number}"):
            self.promises.networks.add(f"{self._prefix}net{number}")
        time.sleep(0.1)

    def _commits(self, chance: random.Random, number: int) -> None:
        source, name = f"{self._prefix}source{number}", f"{self._prefix}commit{number}"
        body = chance.randbytes(200_000)
        keep = "cat > /body"
        run = ("run", "-i", "--name", source, "busybox", "sh", "-c", keep)
        if self._ask(*run, stdin=body) and self._ask("commit", source, name):
            self.promises.images[name] = hashlib.sha256(body).hexdigest()


class _Check:
    """After the reboot."""

    def __init__(self, engine: Engine, outcome: Outcome, promises: Promises) -> None:
        self._engine = engine
        self._outcome = outcome
        self._promises = promises

    def run(self) -> None:
        check_whole(self._engine, self._outcome, "after the cut")
        self._images()
        self._containers()
        self._records()

    def _names(self, *argv: str) -> set[str]:
        return set(self._engine.docker(*argv).stdout.split())

    def _images(self) -> None:
        found = self._names("images", "--format", "{{.Repository}}")
        missing = set(self._promises.images) - found
        self._outcome.check(not missing, f"images lost: {sorted(missing)}")
        back = self._promises.removed & found
        self._outcome.check(not back, f"removed images are back: {sorted(back)}")
        for name in sorted(found & set(self._promises.images)):
            done = self._engine.docker("run", "--rm", name, "sha256sum", "/body", check=False)
            good = done.stdout.split()[:1] == [self._promises.images[name]]
            self._outcome.check(good, f"content of {name}: {done.stdout!r} {done.stderr!r}")

    def _containers(self) -> None:
        found = self._names("ps", "-a", "--format", "{{.Names}}")
        missing = set(self._promises.containers) - found
        self._outcome.check(not missing, f"containers lost: {sorted(missing)}")
        form = "{{.State.Status}} {{.State.ExitCode}}"
        for name, code in self._promises.exits.items():
            seen = self._engine.docker("inspect", "-f", form, name, check=False).stdout.strip()
            self._outcome.check(seen == f"exited {code}", f"{name}: {seen}, told {code}")
        for name in sorted(found):
            self._engine.docker("logs", name)
        for name in list(self._promises.containers)[-3:]:  # the newest: not synced by chance
            out = self._engine.docker("start", "-a", name, check=False).stdout
            self._outcome.check(out.endswith("said\n"), f"start of {name} says {out!r}")

    def _records(self) -> None:
        for what, wanted in (
            ("volume", self._promises.volumes),
            ("network", self._promises.networks),
        ):
            form = "{{.Name}}"
            missing = wanted - self._names(what, "ls", "--format", form)
            self._outcome.check(not missing, f"{what}s lost: {sorted(missing)}")

    def tidy(self) -> None:
        docker = self._engine.docker
        if names := docker("ps", "-aq").stdout.split():
            docker("rm", "-f", "-v", *names)
        docker("volume", "prune", "-a", "-f")
        docker("network", "prune", "-f")
        docker("image", "prune", "-f")
        rest = self._names("images", "--format", "{{.Repository}}") - KEPT - {"<none>"}
        if rest:
            docker("rmi", *sorted(rest))


def possible() -> bool:
    """Not every sandbox gives loop devices to its root."""
    return Path("/dev/loop-control").exists() and shutil.which("mkfs.ext4") is not None


def cuts(count: int, seed: int = 1) -> Outcome:
    outcome = Outcome()
    if not possible():
        outcome.figures["power cuts"] = "left out: this machine has no loop devices or no mkfs.ext4"
        return outcome
    engine, chance, promised, operations = Engine(), random.Random(seed), 0, 0
    disk = Disk(engine)
    disk.mount()
    try:
        engine.start()
        engine.import_busybox()
        for number in range(count):
            load = Load(engine, outcome, number)
            load.start()
            time.sleep(chance.uniform(0.3, 4))
            load.over()
            disk.cut()
            reboot(engine)
            load.join()
            disk.unmount()
            disk.mount(STRICT if number % 2 == 0 else "")
            engine.start()
            check = _Check(engine, outcome, load.promises)
            check.run()
            check.tidy()
            operations += load.done
            made = load.promises
            promised += sum(map(len, (made.images, made.containers, made.volumes, made.networks)))
        outcome.figures |= {
            "power cuts": count,
            "with strict mount options": (count + 1) // 2,
            "client operations before them": operations,
            "promised objects found again": promised,
        }
    finally:
        with suppress(AssertionError):  # told already
            engine.shut()
        _quietly("umount", str(engine.home / "data"))
    check_no_remains(engine, outcome)
    return outcome
