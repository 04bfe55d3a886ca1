"""A store whose process is killed, or whose disk is full, is as good as before the operation."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import pytest

from sampan.errors import Internal
from sampan.oci.digest import chain_ids, sha256_of
from sampan.store.content_local import LocalContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.metadata import Database
from sampan.store.oci_load import ImageLoader
from sampan.store.snapshotter_overlay import OverlaySnapshotter
from sampan.store.unpack import Unpacker

pytestmark = pytest.mark.integration

# loads one archive after the other until it is killed
LOADER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_killed import open_store
store = open_store(Path(sys.argv[2]))
print("ready", flush=True)
for path in sorted(Path(sys.argv[3]).iterdir()):
    with path.open("rb", buffering=0) as source:
        store.load(source)
print("done", flush=True)
"""


class Store:
    def __init__(self, root):
        self.database = Database(root / "db")
        self.content = LocalContentStore(root / "content")
        self.snapshotter = OverlaySnapshotter(root / "snapshots", self.database)
        self.images = ImageStore(self.database, self.content)
        loader = ImageLoader(
            content=self.content,
            snapshotter=self.snapshotter,
            images=self.images,
            unpacker=Unpacker(self.content, self.snapshotter),
            leases=Leases(),
        )
        self.load = loader.load


def open_store(root):
    store = Store(root)
    store.content.clean_ingest()
    store.snapshotter.clean()
    return store


def archive(number, layers=3, size=200_000):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as found:

        def add(name, data):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            found.addfile(member, io.BytesIO(data))

        bodies = []
        for layer in range(layers):
            body = io.BytesIO()
            with tarfile.open(fileobj=body, mode="w") as tree:
                for file in range(5):
                    member = tarfile.TarInfo(f"d{layer}/f{file}")
                    member.size = size // 5
                    tree.addfile(member, io.BytesIO(os.urandom(size // 5)))
            bodies.append(body.getvalue())
        config = json.dumps({"rootfs": {"diff_ids": [sha256_of(body) for body in bodies]}}).encode()
        names = [f"{layer}/layer.tar" for layer in range(layers)]
        for name, body in zip(names, bodies, strict=True):
            add(name, body)
        add("config.json", config)
        entry = {"Config": "config.json", "RepoTags": [f"app:{number}"], "Layers": names}
        add("manifest.json", json.dumps([entry]).encode())
    return out.getvalue()


def check(store, root):
    """Everything that can be seen is whole, and nothing else is left."""
    for digest in store.content.list():
        assert sha256_of(store.content.read(digest)) == digest
    directories = {store.snapshotter.upper(found.key).parent for found in store.snapshotter.walk()}
    assert set((root / "snapshots").iterdir()) == directories | {root / "snapshots/empty"}
    assert list((root / "content/ingest").iterdir()) == []
    for image in store.images.list():
        assert store.images.references(image.id) or image.tagged_ns == 0
        for layer, name in enumerate(chain_ids(image.spec.rootfs.diff_ids)):
            files = list((store.snapshotter.upper(name) / f"d{layer}").iterdir())
            assert {file.stat().st_size for file in files} == {40_000}
            assert len(files) == 5


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    for number in range(30):
        (folder / f"{number:03}.tar").write_bytes(archive(number))
    return folder


@pytest.mark.parametrize("delay_ms", [5, 20, 45, 80, 130, 200, 320])
def test_a_kill_at_any_moment_tears_nothing(tmp_path, archives, delay_ms):
    here = os.path.dirname(__file__)  # noqa: PTH120
    command = [sys.executable, "-c", LOADER, here, str(tmp_path), str(archives)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as loading:
        assert loading.stdout.readline() == b"ready\n"
        time.sleep(delay_ms / 1000)
        loading.send_signal(signal.SIGKILL)
        loading.wait()
    store = open_store(tmp_path)
    try:
        check(store, tmp_path)
        with (archives / "000.tar").open("rb") as source:
            (loaded,) = store.load(source)
        assert store.images.resolve("app:0").id == loaded.image.id
        check(store, tmp_path)
    finally:
        store.database.close()


@pytest.fixture
def small_disk(tmp_path):
    target = tmp_path / "disk"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", target], check=True)
    yield target
    subprocess.run(["umount", target], check=True)


def test_a_full_disk_leaves_nothing_and_what_was_there_works_on(small_disk):
    store = open_store(small_disk)
    try:
        store.load(io.BytesIO(archive(1)))
        with pytest.raises(Internal, match="no space left on device"):
            store.load(io.BytesIO(archive(2, size=3_000_000)))
        assert len(store.images.list()) == 1
        for digest in list(store.content.list()):  # what gc does
            if digest not in {layer.digest for layer in store.images.list()[0].layers} | {
                store.images.list()[0].id
            }:
                store.content.remove(digest)
        check(store, small_disk)
        (loaded,) = store.load(io.BytesIO(archive(3, layers=1)))
        assert store.images.resolve("app:3").id == loaded.image.id
    finally:
        store.database.close()
