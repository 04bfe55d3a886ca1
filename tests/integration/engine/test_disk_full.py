"""A full disk: what can't be stored is refused in plain words, what is there goes on, and once
there is room again everything works."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.harness import Engine, busybox_rootfs
from integration.scripted_registry import ScriptedRegistry, layer_tar
from integration.wholeness import flaws

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

MIB = 1 << 20
FULL = "no space left on device"


class SmallDisk:
    """A tmpfs, and a file in it that takes the room away."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ballast = root / "ballast"

    def leave(self, size_bytes: int) -> None:
        with self._ballast.open("ab", buffering=0) as out:
            while (excess := self._free() - size_bytes) > 0:
                out.write(bytes(min(excess, MIB)))

    def make_room(self) -> None:
        self._ballast.unlink()

    def _free(self) -> int:
        facts = os.statvfs(self._root)
        return facts.f_bavail * facts.f_bsize


@pytest.fixture(scope="module")
def small_engine() -> Iterator[Engine]:
    engine = Engine()
    root = engine.home / "data"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", root], check=True)
    try:
        engine.start()
        engine.import_busybox()
        yield engine
        engine.shut()
    finally:
        subprocess.run(["umount", root], check=True)
    engine.check_nothing_is_left()


@pytest.fixture
def disk(small_engine: Engine) -> Iterator[SmallDisk]:
    disk = SmallDisk(small_engine.home / "data")
    disk.leave(8 * MIB)
    yield disk
    (small_engine.home / "data" / "ballast").unlink(missing_ok=True)
    names = small_engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        small_engine.docker("rm", "-f", "-v", *names)


def _check_only_busybox_is_there(engine: Engine) -> None:
    assert engine.docker("images", "-a", "--format", "{{.Repository}}").stdout == "busybox\n"
    engine.docker("image", "prune", "-f")
    deadline = time.monotonic() + 5
    while (found := flaws(engine)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == []


def test_pull_says_so_leaves_nothing_and_works_later(small_engine: Engine, disk: SmallDisk):
    with ScriptedRegistry() as registry:
        small = layer_tar({"small": os.urandom(MIB)})
        name = registry.add(
            "app", busybox_rootfs(), small, layer_tar({"big": os.urandom(12 * MIB)})
        )
        failed = small_engine.docker("pull", name, check=False)
        assert failed.returncode == 1
        assert FULL in failed.stderr
        _check_only_busybox_is_there(small_engine)
        disk.make_room()
        small_engine.docker("pull", name)
    out = small_engine.docker("run", "--rm", name, "ls", "/small", "/big").stdout
    assert out.split() == ["/big", "/small"]
    small_engine.docker("rmi", name)
    _check_only_busybox_is_there(small_engine)


def test_load_says_so_leaves_nothing_and_works_later(small_engine: Engine, disk: SmallDisk):
    disk.make_room()
    small_engine.docker("import", "-", "big", stdin=layer_tar({"big": os.urandom(10 * MIB)}))
    saved = small_engine.home / "saved"
    small_engine.docker("save", "-o", saved, "big")
    small_engine.docker("rmi", "big")
    disk.leave(8 * MIB)
    with saved.open("rb") as archive:
        failed = small_engine.docker("load", stdin=archive.read(), check=False)
    assert failed.returncode == 1
    assert FULL in failed.stdout + failed.stderr
    _check_only_busybox_is_there(small_engine)
    disk.make_room()
    small_engine.docker("load", "-i", saved)
    small_engine.docker("rmi", "big")


@pytest.mark.parametrize(
    "step",
    ["COPY big /big", "RUN dd if=/dev/urandom of=/big bs=1M count=12", "ADD big.tar /"],
    ids=["copy", "run", "add"],
)
def test_build_says_so_leaves_nothing_and_works_later(
    small_engine: Engine, disk: SmallDisk, tmp_path: Path, step: str
):
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN echo one > /one\n{step}\n")
    data = os.urandom(3 * MIB)  # thrice: in the context, in the layer, as a blob
    for name, body in (("big", data), ("big.tar", layer_tar({"big": data}))):
        if name in step.split():
            (tmp_path / name).write_bytes(body)
    failed = small_engine.docker("build", "-t", "half", tmp_path, check=False)
    assert failed.returncode == 1
    assert FULL in (failed.stdout + failed.stderr).lower()
    small_engine.docker("image", "prune", "-f")  # the steps that went well are the cache
    _check_only_busybox_is_there(small_engine)
    disk.make_room()
    small_engine.docker("build", "-t", "half", tmp_path)
    assert small_engine.docker("run", "--rm", "half", "ls", "/big").stdout == "/big\n"
    small_engine.docker("rmi", "half")
    small_engine.docker("image", "prune", "-f")


def test_import_cp_and_commit_say_so(small_engine: Engine, disk: SmallDisk):
    archive = layer_tar({"big": os.urandom(12 * MIB)})
    failed = small_engine.docker("import", "-", "big", stdin=archive, check=False)
    assert (failed.returncode, FULL in failed.stderr) == (1, True)
    _check_only_busybox_is_there(small_engine)
    small_engine.docker("create", "--name", "cc", "busybox")
    failed = small_engine.docker("cp", "-", "cc:/tmp", stdin=archive, check=False)
    assert (failed.returncode, FULL in failed.stderr) == (1, True)
    failed = small_engine.docker("commit", "cc", "committed", check=False)
    assert (failed.returncode, FULL in failed.stderr) == (1, True)
    _check_only_busybox_is_there(small_engine)


def test_containers_go_on_and_can_be_ended_and_removed(small_engine: Engine, disk: SmallDisk):
    script = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"
    small_engine.docker("run", "-d", "--name", "talks", "busybox", "sh", "-c", script)
    small_engine.docker("run", "-d", "--name", "idle", "busybox", "sleep", "100")
    disk.leave(0)
    time.sleep(0.5)
    failed = small_engine.docker("run", "busybox", "true", check=False)
    assert failed.returncode == 125
    assert FULL in failed.stderr
    assert small_engine.docker("exec", "talks", "echo", "well").stdout == "well\n"
    small_engine.docker("stop", "-t", "0", "idle")
    small_engine.docker("rm", "idle")
    disk.make_room()
    time.sleep(0.2)
    assert small_engine.docker("inspect", "-f", "{{.State.Status}}", "talks").stdout == "running\n"
    lines = small_engine.docker("logs", "--tail", "2", "talks").stdout.split()
    assert int(lines[1]) == int(lines[0]) + 1
    small_engine.docker("run", "--rm", "busybox", "true")


def test_daemon_restarts_on_a_full_disk(small_engine: Engine, disk: SmallDisk):
    small_engine.docker("run", "-d", "--name", "idle", "busybox", "sleep", "100")
    disk.leave(0)
    small_engine.restart()
    assert small_engine.docker("ps", "--format", "{{.Names}}").stdout == "idle\n"
    small_engine.docker("rm", "-f", "idle")
