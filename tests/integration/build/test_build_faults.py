"""Builds that end in the middle: the daemon is killed, the disk is full. Nothing half stays."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from integration.harness import Engine
from integration.wholeness import flaws

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MIB = 1 << 20
DOCKERFILE = (
    "FROM busybox AS other\nRUN touch /tmp/other; sleep 6431\n"
    "FROM busybox\nRUN echo first > /first\nCOPY big /big\nRUN sleep 6431\nCOPY --from=other / /o\n"
)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("context")
    with (folder / "big").open("wb") as out:
        for _ in range(96):
            out.write(os.urandom(MIB))
    return folder


def wait_until(holds, what):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def processes(command):
    found = subprocess.run(["pgrep", "-f", f"{command}$"], capture_output=True, check=False)
    return found.stdout.split()


def left(engine):
    """Mounts, scratch directories, half-written blobs and active snapshots of builds."""
    mounts = [
        row
        for row in Path("/proc/self/mountinfo").read_text().splitlines()
        if f"{engine.home}/data/tmp" in row
    ]
    data = engine.home / "data"
    scratch = [*(data / "tmp").glob("build-*"), *(engine.home / "exec/build/steps").glob("*")]
    return [*mounts, *scratch, *processes("sleep 6431")]


def begin(engine, context, dockerfile):
    (context / "Dockerfile").write_text(dockerfile)
    return engine.client("build", "-t", "t-broken", context)


def large(folder):
    return any(path.stat().st_size > MIB for path in folder.glob("*") if path.is_file())


def while_uploading(engine, context):
    """Half of the context is there; the rest never comes."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(engine.socket))
    client.sendall(b"POST /v1.41/build HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    client.sendall(b"\0" * 100)
    tmp = engine.home / "data" / "tmp"
    wait_until(lambda: list(tmp.glob("build-*")), "the build doesn't begin")
    return client


def while_running(engine, context):
    client = begin(engine, context, DOCKERFILE)
    wait_until(lambda: len(processes("sleep 6431")) >= 2, "the steps don't run")
    return client


def while_placing(engine, context):
    """Files of a COPY go into the writable layer."""
    client = begin(engine, context, DOCKERFILE)
    snapshots = engine.home / "data" / "snapshots"
    wait_until(lambda: list(snapshots.rglob("big")), "nothing is copied")
    return client


def while_committing(engine, context):
    """The step's layer becomes a blob."""
    client = begin(engine, context, DOCKERFILE)
    ingest = engine.home / "data" / "content" / "ingest"
    wait_until(lambda: large(ingest), "no layer is written")
    return client


def after_a_step(engine, context):
    """Images of finished steps are there, and the cache doesn't know them yet."""
    client = begin(engine, context, DOCKERFILE)
    wait_until(
        lambda: len(engine.docker("images", "-aq").stdout.split()) > 2, "no step is finished"
    )
    return client


PHASES = [while_uploading, while_running, while_placing, while_committing, after_a_step]


@pytest.mark.parametrize("phase", PHASES)
def test_killed_daemon_leaves_nothing_of_a_build(file_engine, context, phase):
    engine = file_engine
    client = phase(engine, context)
    engine.restart()
    client.close() if isinstance(client, socket.socket) else client.wait(10)
    wait_until(lambda: left(engine) == [], "something is left")
    assert engine.docker("images", "-q", "t-broken").stdout == ""
    for identifier in engine.docker("images", "-aq", "--no-trunc").stdout.split():
        document = json.loads(engine.docker("inspect", identifier).stdout)[0]
        assert document["RootFS"]["Layers"]
    engine.docker("image", "prune", "-f")
    wait_until(lambda: flaws(engine) == [], "the store is not whole")
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo fine > /fine\n")
    assert engine.docker("build", "-q", context).stdout.startswith("sha256:")


def test_client_that_leaves_ends_all_stages(file_engine, context):
    client = while_running(file_engine, context)
    client.kill()
    client.wait()
    wait_until(lambda: left(file_engine) == [], "something is left")
    file_engine.docker("image", "prune", "-f")
    wait_until(lambda: flaws(file_engine) == [], "the store is not whole")


@pytest.fixture
def small_engine():
    """Its disk has room for little more than busybox."""
    engine = Engine()
    root = engine.home / "data"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", root], check=True)
    try:
        engine.start()
        engine.import_busybox()
        yield engine
        engine.shut()
    finally:
        subprocess.run(["umount", root], check=True)
    shutil.rmtree(engine.home)
    engine.check_nothing_is_left()


STEPS = {
    "a program writes too much": "RUN dd if=/dev/zero of=/f bs=1M count=60",
    "there is room for the files, and none for the layer": "COPY half /half",
    "there is no room for the files": "RUN head -c 8000000 /dev/zero > /x\nCOPY half /half",
}


def test_full_disk_is_told_and_leaves_nothing(small_engine, tmp_path):
    (tmp_path / "half").write_bytes(os.urandom(20 * MIB))
    data = small_engine.home / "data"
    for what, step in STEPS.items():
        before = _used(data)
        (tmp_path / "Dockerfile").write_text(f"FROM busybox\n{step}\n")
        failed = small_engine.docker("build", tmp_path, check=False)
        assert failed.returncode != 0, what
        assert "no space left on device" in (failed.stdout + failed.stderr).lower(), what
        assert "Successfully built" not in failed.stdout
        small_engine.docker("image", "prune", "-f")
        small_engine.docker("builder", "prune", "-af")
        wait_until(lambda: left(small_engine) == [], what)
        wait_until(lambda: flaws(small_engine) == [], what)
        assert _used(data) < before + MIB, what
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo fine > /fine\n")
    assert small_engine.docker("build", "-q", tmp_path).stdout.startswith("sha256:")


def _used(folder):
    facts = os.statvfs(folder)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize
