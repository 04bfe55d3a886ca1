"""The two engines of a comparison, and the place that they are compared in.

own_place()   the calling process gets network and mount namespaces of its own, so that what
              dockerd leaves behind ends with the process, and both engines have the same
dockerd()     Debian's daemon (in /opt/dockerd, or $DOCKERD_ROOT)
sampan()      ours, as users run it
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.harness import Engine, docker_cli
from sampan.linux import libc

DOCKERD = Path(os.environ.get("DOCKERD_ROOT", "/opt/dockerd"))
WAIT_S = 30


def own_place() -> None:
    """To be called once, before there is another thread."""
    libc.unshare(libc.CLONE_NEWNET | libc.CLONE_NEWNS)
    libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextmanager
def dockerd(*options: str) -> Iterator[str]:
    """The address of a real daemon, which ends with the context."""
    home = Path(tempfile.mkdtemp(prefix="sampan-bench-dockerd-"))
    host = f"unix://{home}/docker.sock"
    places = f"{DOCKERD}/usr/sbin:{DOCKERD}/usr/bin"
    with (home / "log").open("wb") as out:
        process = subprocess.Popen(
            [
                *("dockerd", "--data-root", home / "data", "--exec-root", home / "exec"),
                *("-p", home / "pid", "-H", host, *options),
            ],
            env={**os.environ, "PATH": f"{places}:{os.environ['PATH']}"},
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + WAIT_S
        while subprocess.run(
            [docker_cli(), "-H", host, "version"], check=False, capture_output=True
        ).returncode:
            assert process.poll() is None, (home / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "dockerd does not answer"
            time.sleep(0.2)
        yield host
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)
        _unmount_below(home)
        shutil.rmtree(home)


def _unmount_below(folder: Path) -> None:
    """What dockerd leaves mounted (its network namespaces), innermost first."""
    rows = Path("/proc/self/mounts").read_text().splitlines()
    for target in reversed([row.split()[1] for row in rows]):
        if target.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", target], check=True)


@contextmanager
def sampan(*options: str) -> Iterator[Engine]:
    engine = Engine("--log-level", "info", *options)
    try:
        engine.start()
        yield engine
    finally:
        engine.destroy()
