"""Small questions about the unpacked layers of images."""

from sampan.oci.digest import ChainId, chain_ids
from sampan.oci.image_config import ImageSpec
from sampan.store.snapshots import SnapshotNotFound, Snapshotter


def chains_of(spec: ImageSpec) -> list[ChainId]:
    """Chain ids of an image's layers, base first."""
    return chain_ids(spec.rootfs.diff_ids)


def layer_size(snapshots: Snapshotter, chain: ChainId) -> int:
    """Bytes of the layer alone; 0 when it isn't unpacked here."""
    try:
        return snapshots.usage(chain).size_bytes
    except SnapshotNotFound:
        return 0
