import sys
from pathlib import Path

import pytest

from sampan.engine.events import EventLog
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.inspect import ImageInspector
from sampan.engine.images.listing import ImageListing
from sampan.engine.images.new_layer import LayerAdder
from sampan.engine.images.prune import ImagePruner
from sampan.engine.images.remote_archive import Limits, RemoteArchives
from sampan.engine.images.remove import ImageRemover
from sampan.engine.images.tag import Tagger
from sampan.engine.images.tar import Importer, Loader, Saver
from sampan.engine.images.users import ImageUser
from sampan.lib.workers import Workers
from sampan.oci import image_config
from sampan.oci.digest import chain_ids, sha256_of
from sampan.oci.image_config import History, ImageRunConfig, ImageSpec, RootFS
from sampan.oci.reference import parse_reference
from sampan.store.content_local import LocalContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.metadata import Database
from sampan.store.oci_load import ImageLoader
from sampan.store.oci_save import ImageSaver
from sampan.store.snapshots import Usage
from sampan.store.snapshotter_overlay import OverlaySnapshotter
from sampan.store.unpack import Unpacker

sys.path.insert(0, str(Path(__file__).parent))


class Users:
    """Containers as the image use cases see them: image id -> users."""

    def __init__(self):
        self.by_image = {}

    def use(self, image, container_id, *, running=False):
        self.by_image.setdefault(image.id, []).append(ImageUser(container_id, running))

    def users_of(self, image):
        return self.by_image.get(image, [])


class Garbage:
    def __init__(self):
        self.collected = 0

    def collect(self):
        self.collected += 1


class Engine:
    """The image use cases over a real store in a temporary directory."""

    def __init__(self, root):
        self.root = root
        self.database = Database(root / "sampan.db")
        self.content = LocalContentStore(root / "content")
        self.images = ImageStore(self.database, self.content)
        self.snapshots = OverlaySnapshotter(root / "snapshots", self.database)
        self.workers = Workers()
        self.log = EventLog()
        self.events = ImageEvents(self.log)
        self.users = Users()
        self.garbage = Garbage()
        shared = {"images": self.images, "workers": self.workers}
        self.listing = ImageListing(snapshots=self.snapshots, users=self.users, **shared)
        self.inspector = ImageInspector(snapshots=self.snapshots, **shared)
        self.tagger = Tagger(events=self.events, **shared)
        self.remover = ImageRemover(
            snapshots=self.snapshots,
            users=self.users,
            events=self.events,
            garbage=self.garbage,
            **shared,
        )
        self.pruner = ImagePruner(
            remover=self.remover, users=self.users, events=self.events, **shared
        )

        leases = Leases()
        unpacker = Unpacker(self.content, self.snapshots)
        self.importer = Importer(
            layers=LayerAdder(
                content=self.content, snapshots=self.snapshots, leases=leases, **shared
            ),
            archives=RemoteArchives(Limits(silence_s=0.5, max_bytes=1 << 20)),
            tagger=self.tagger,
            events=self.events,
            workers=self.workers,
        )
        loader = ImageLoader(
            content=self.content,
            snapshotter=self.snapshots,
            images=self.images,
            unpacker=unpacker,
            leases=leases,
        )
        self.loader = Loader(loader=loader, events=self.events, **shared)
        self.saver = Saver(saver=ImageSaver(self.content), events=self.events, **shared)

    def layer(self, diff_ids, size_bytes):
        chains = chain_ids(diff_ids)
        stage = self.snapshots.stage()
        parent = chains[-2] if len(chains) > 1 else None
        self.snapshots.commit_stage(stage, chains[-1], parent, Usage(size_bytes, 1))

    def image(self, *layers, parent=None, labels=None, created="2026-01-01T00:00:00Z", **config):
        """An image whose layers are named by their content: (text, size) each; None is empty."""
        base = parent.spec if parent else ImageSpec(architecture="amd64", os="linux")
        diff_ids = list(base.rootfs.diff_ids)
        history = list(base.history)
        for layer in layers:
            if layer is not None:
                diff_ids.append(sha256_of(layer[0].encode()))
                self.layer(diff_ids, layer[1])
            history.append(
                History(
                    created=created,
                    created_by=f"step {layer}",
                    empty_layer=layer is None,
                )
            )
        spec = ImageSpec(
            architecture="amd64",
            os="linux",
            created=created,
            config=ImageRunConfig(Labels=labels, **config),
            rootfs=RootFS(diff_ids=tuple(diff_ids)),
            history=tuple(history),
        )
        size = (parent.size_bytes if parent else 0) + sum(layer[1] for layer in layers if layer)
        return self.images.add(
            image_config.encode(spec),
            (),
            size_bytes=size,
            parent=parent.id if parent else None,
        )

    def tag(self, image, *names):
        for name in names:
            self.images.tag(parse_reference(name), image.id)
        return image

    def seen(self):
        """Events so far: (action, actor, name)."""
        return [
            (event.action, event.actor_id, event.attributes.get("name"))
            for event in self.log.history(0)
        ]


@pytest.fixture
def engine(tmp_path):
    found = Engine(tmp_path)
    yield found
    found.database.close()
