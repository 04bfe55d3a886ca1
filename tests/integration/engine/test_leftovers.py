"""What an engine leaves in the kernel: everything while containers run, nothing after that."""

import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def _kinds(engine: Engine) -> set[str]:
    return {row.partition(" ")[0] for row in engine.leftovers()}


def test_stopped_without_containers_it_leaves_nothing(own_engine: Engine):
    own_engine.docker("network", "create", "back")
    own_engine.docker("run", "--rm", "--network", "back", "-p", "0:80", "busybox", "true")
    own_engine.docker("create", "--name", "idle", "--network", "back", "busybox", "true")
    assert {"process", "link", "nft"} <= _kinds(own_engine)
    own_engine.stop(signal.SIGTERM)
    own_engine.check_nothing_is_left()
    own_engine.start()
    assert own_engine.docker("start", "-a", "idle").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_with_containers_it_leaves_all_of_it_working(own_engine: Engine, number):
    own_engine.docker("network", "create", "back")
    own_engine.docker(
        *("run", "-d", "--name", "web", "--network", "back", "-p", "127.0.0.1:0:80", "busybox"),
        *("sh", "-c", "echo page > index.html; httpd -f -p 80"),
    )
    address = own_engine.docker("port", "web", "80").stdout.strip()
    pid = int(own_engine.docker("inspect", "-f", "{{.State.Pid}}", "web").stdout)
    own_engine.stop(number)
    assert {"mount", "process", "link", "nft", "cgroup"} == _kinds(own_engine)
    left = own_engine.leftovers()
    assert any(row.startswith("mount") and "/netns/" in row for row in left)
    assert any(row.startswith("mount") and "/rootfs/" in row for row in left)
    assert any(row.startswith("link br-") for row in left)
    assert any(row.startswith("link sv") for row in left)
    assert any(row.endswith("sampan-monitor") for row in left)
    assert f"process {pid} httpd" in left
    assert urllib.request.urlopen(f"http://{address}/", timeout=5).read() == b"page\n"
    own_engine.shut()
    own_engine.check_nothing_is_left()


def test_detection_sees_loop_devices_and_zygotes(own_engine: Engine, tmp_path: Path):
    assert own_engine.process is not None
    own_engine.stop(signal.SIGTERM)
    own_engine.start()
    os.kill(own_engine.process.pid, signal.SIGSTOP)
    try:
        own_engine._note_what_there_is()
        assert any(row.endswith("sampan-zygote") for row in own_engine.leftovers())
    finally:
        os.kill(own_engine.process.pid, signal.SIGCONT)
    image = own_engine.home / "disk"
    with image.open("wb") as out:
        out.truncate(1 << 20)
    made = subprocess.run(
        ["losetup", "-f", "--show", image], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip("no loop devices here")
    try:
        assert any(row.startswith("loop ") for row in own_engine.leftovers())
    finally:
        subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)
