"""A hub in the place of Docker Hub and docker.elastic.co, with stand-ins for their images.

scripts/offline-images makes them on an engine of ours and pushes them to a hub of ours; that hub's
root is kept below .cache/offline, for as long as neither the recipes nor the hub's tables change:

    .cache/offline/hub-KEY      as made, without accounts; every session works on a copy
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from integration.harness import ROOT, SAMPAN, Engine
from integration.hub.hubs import Hub

CACHE = ROOT / ".cache" / "offline"
OFFLINE_IMAGES = ROOT / "scripts" / "offline-images"
KEPT_S = 24 * 3600  # what other recipes made: a branch may want it again
PASSWORD = "ahoy-ahoy-7"
ACCOUNTS = ("miguelgrinberg", "manishsethis")
IMAGES = (
    "python:3.6-alpine",
    "mysql/mysql-server:5.7",
    "docker.elastic.co/elasticsearch/elasticsearch-oss:6.1.1",
    "ubuntu",
    "ubuntu:14.04",
    "nginx",
    "busybox",
    "hello-world",
)


class Public(Hub):
    """Serves on `address`; each of ACCOUNTS has PASSWORD."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "--log-level", "info")
        copy_root(self.root)

    def start(self) -> None:
        super().start()
        for name in ACCOUNTS:
            words = [SAMPAN, "hub", "user", "add", "--root", self.root, "--password-stdin", name]
            subprocess.run(words, input=PASSWORD, text=True, check=True, timeout=25)

    def options(self) -> list[str]:
        """Of a daemon that has this hub in the place of the public registries."""
        return engine_options(self.home, self.address)


def engine_options(folder: Path, address: str) -> list[str]:
    settings = folder / "daemon.json"
    mirrors = {"docker.elastic.co": {"mirrors": [f"http://{address}"]}}
    settings.write_text(json.dumps({"default-registry": address, "registries": mirrors}))
    return ["--config-file", str(settings)]


def copy_root(target: Path) -> None:
    """Make `target` the root of a hub that has the images: links where files never change."""
    made = CACHE / f"hub-{_key()}"
    if not made.exists():
        _make(made)
    shutil.copytree(made, target, copy_function=_copy)


def _copy(source: str, target: str) -> None:
    """Blobs never change: where the file system allows it they are the same files."""
    if "/blobs/" in source:
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def _key() -> str:
    """Changes with what the images are made of, and with how the hub keeps them."""
    found = hashlib.sha256(" ".join(IMAGES).encode())
    kept = [OFFLINE_IMAGES, *(ROOT / "scripts" / "offline").rglob("*")]
    kept += [*(ROOT / "src/sampan/hub/db").rglob("*.py")]
    for path in sorted(path for path in kept if path.is_file()):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _make(made: Path) -> None:
    """Needs Debian's mirror, and a minute or two."""
    CACHE.mkdir(parents=True, exist_ok=True)
    part = made.with_name(f"{made.name}.part-{os.getpid()}")
    part.mkdir()
    hub, engine = Hub(part), Engine()
    try:
        hub.start()
        engine.start()
        subprocess.run(
            [OFFLINE_IMAGES, "--push", hub.address, *IMAGES],
            env={**os.environ, "DOCKER_HOST": engine.host, "DOCKER_CONFIG": str(part)},
            stdin=subprocess.DEVNULL,
            check=True,
        )
        hub.stop()
        with suppress(OSError):  # somebody else was faster
            hub.root.rename(made)
        for old in CACHE.glob("hub-*"):  # sessions work on copies
            if old.stat().st_mtime < time.time() - KEPT_S:
                shutil.rmtree(old)
    finally:
        hub.stop()
        engine.destroy()
        shutil.rmtree(part)
    engine.check_nothing_is_left()
