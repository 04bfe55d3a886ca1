"""A real registry on loopback, and the image use cases over a store in a directory."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import time

import pytest

from sampan.engine.events import EventLog
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.inspect import ImageInspector
from sampan.engine.images.new_layer import LayerAdder
from sampan.engine.images.pull import Puller
from sampan.engine.images.push import Pusher
from sampan.engine.images.pushed_blobs import PushedBlobs
from sampan.engine.images.remote_archive import RemoteArchives
from sampan.engine.images.remove import ImageRemover
from sampan.engine.images.tag import Tagger
from sampan.engine.images.tar import Importer, Loader, Saver
from sampan.engine.images.users import NoUsers
from sampan.lib.workers import Workers
from sampan.registry.client import Registries
from sampan.registry.resolver import Resolver
from sampan.registry.settings import RegistrySettings
from sampan.store.content_local import LocalContentStore
from sampan.store.gc import Collector
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.metadata import Database, Documents
from sampan.store.oci_load import ImageLoader
from sampan.store.oci_save import ImageSaver
from sampan.store.snapshotter_overlay import OverlaySnapshotter
from sampan.store.unpack import Unpacker

HTPASSWD = "me:$2b$05$Fkiw2K./OFDYZLrC3vTFeOnD5kwn3KFzmobphVCwLVuRsQ5lPeKvO\n"  # "secret"


class Server:
    """A docker-registry process on loopback."""

    def __init__(self, root, *, locked=False):
        self.storage = root / "storage"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        config = (
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{self.host}'}}\n"
            f"storage: {{delete: {{enabled: true}}, filesystem: "
            f"{{rootdirectory: '{self.storage}'}}}}\n"
        )
        if locked:
            (root / "htpasswd").write_text(HTPASSWD)
            config += f"auth: {{htpasswd: {{realm: r, path: '{root}/htpasswd'}}}}\n"
        (root / "config.yml").write_text(config)
        program = shutil.which("docker-registry")
        if program is None:
            pytest.skip("docker-registry isn't installed")
        self._log = (root / "log").open("w")
        self._process = subprocess.Popen(
            [program, "serve", root / "config.yml"], stdout=self._log, stderr=self._log
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the registry doesn't come up")

    def blobs(self):
        """Files of stored blobs, largest first."""
        found = self.storage.glob("docker/registry/v2/blobs/**/data")
        return sorted(found, key=lambda path: -path.stat().st_size)

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._log.close()


class Engine:
    """The image use cases over a store in a directory."""

    def __init__(self, root, settings=None):
        root.mkdir(exist_ok=True)
        self.root = root
        self.database = Database(root / "sampan.db")
        self.content = LocalContentStore(root / "content")
        self.images = ImageStore(self.database, self.content)
        self.snapshots = OverlaySnapshotter(root / "snapshots", self.database)
        self.leases = Leases()
        self.workers = Workers()
        self.log = EventLog()
        self.events = ImageEvents(self.log)
        self.collector = Collector(
            content=self.content,
            snapshotter=self.snapshots,
            images=self.images,
            leases=self.leases,
            active=lambda: (),
        )
        unpacker = Unpacker(self.content, self.snapshots)
        common = {"images": self.images, "events": self.events, "workers": self.workers}
        stored = {"content": self.content, "leases": self.leases}
        self.registries = Registries(settings or RegistrySettings())
        self.puller = Puller(
            snapshots=self.snapshots,
            unpacker=unpacker,
            resolver=Resolver(self.registries),
            **common,
            **stored,
        )
        self.pusher = Pusher(
            registries=self.registries,
            pushed=PushedBlobs(Documents(self.database, "pushed-blob")),
            **common,
            **stored,
        )
        self.tagger = Tagger(**common)
        self.inspector = ImageInspector(
            images=self.images, snapshots=self.snapshots, workers=self.workers
        )
        self.remover = ImageRemover(
            snapshots=self.snapshots, users=NoUsers(), garbage=self.collector, **common
        )
        self.importer = Importer(
            layers=LayerAdder(
                images=self.images, snapshots=self.snapshots, workers=self.workers, **stored
            ),
            archives=RemoteArchives(),
            tagger=self.tagger,
            events=self.events,
            workers=self.workers,
        )
        loader = ImageLoader(
            content=self.content,
            snapshotter=self.snapshots,
            images=self.images,
            unpacker=unpacker,
            leases=self.leases,
        )
        self.loader = Loader(loader=loader, **common)
        self.saver = Saver(saver=ImageSaver(self.content), **common)

    async def close(self):
        await self.registries.close()
        self.database.close()

    async def add(self, name, files, **options):
        """Import an image of `files`."""
        repo, _, tag = name.rpartition(":")
        items = self.importer.import_(once(make_tar(files)), repo=repo, tag=tag, **options)
        (found,) = [item async for item in items]
        return self.images.get(found["status"])

    def leftovers(self):
        """Blobs, snapshot directories and unfinished writes on the disk."""
        return {
            "blobs": sorted(self.content.list()),
            "ingest": sorted(path.name for path in (self.root / "content/ingest").iterdir()),
            "layers": sorted(
                path.name for path in (self.root / "snapshots").iterdir() if path.name != "empty"
            ),
        }


async def once(data, *, size=65536):
    for start in range(0, len(data), size):
        yield data[start : start + size]


def make_tar(files, *, compression=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@contextlib.contextmanager
def small_disk(path, size_bytes):
    """A tmpfs that is soon full."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


random_bytes = os.urandom
