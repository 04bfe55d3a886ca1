"""Wiring, part one: the stores, opened and cleaned of what an earlier daemon left half done."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sampan.daemon.instance import Instance
from sampan.store.content_local import LocalContentStore
from sampan.store.gc import Collector
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.metadata import Database, Documents
from sampan.store.snapshotter_overlay import OverlaySnapshotter
from sampan.store.unpack import Unpacker


@dataclass(frozen=True, slots=True)
class Storage:
    database: Database
    content: LocalContentStore
    snapshots: OverlaySnapshotter
    images: ImageStore
    leases: Leases
    unpacker: Unpacker

    def documents(self, kind: str) -> Documents:
        return Documents(self.database, kind)

    def collector(self, active: Callable[[], Iterable[str]]) -> Collector:
        return Collector(
            content=self.content,
            snapshotter=self.snapshots,
            images=self.images,
            leases=self.leases,
            active=active,
        )


def open_storage(instance: Instance) -> Storage:
    """Blocks. Nothing else may use the data root yet: what no record names is removed."""
    for path in (instance.data_root, instance.containers, instance.temporary):
        path.mkdir(parents=True, exist_ok=True, mode=0o710)
    instance.exec_root.mkdir(parents=True, exist_ok=True, mode=0o711)
    database = Database(instance.database)
    content = LocalContentStore(instance.content)
    content.clean_ingest()
    content.clean_partial()
    snapshots = OverlaySnapshotter(instance.snapshots, database)
    snapshots.clean()
    return Storage(
        database=database,
        content=content,
        snapshots=snapshots,
        images=ImageStore(database, content),
        leases=Leases(),
        unpacker=Unpacker(content, snapshots),
    )
