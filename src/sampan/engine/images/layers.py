"""Small questions about the unpacked layers of images."""

from collections.abc import Sequence

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import ChainId, chain_ids
from sampan.oci.image_config import ImageSpec
from sampan.store.content import ContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Lease
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


class LayersHere:
    """Which layers of a wanted image are here already. Blocking; thread-safe.

    One and the same layer may have several blobs: as it was built here, or compressed by
    whoever pushed it. A config that asks for its chain is content with any of them.
    """

    def __init__(self, images: ImageStore, content: ContentStore, snapshots: Snapshotter) -> None:
        self._images = images
        self._content = content
        self._snapshots = snapshots

    def find(
        self, spec: ImageSpec, layers: Sequence[Descriptor], lease: Lease
    ) -> list[Descriptor | None]:
        """For each layer the blob that is here, unpacked on what is below it; None: fetch it.

        `lease` keeps what was found, and what is about to be fetched.
        """
        found: list[Descriptor | None] = []
        for chain, layer in zip(chains_of(spec), layers, strict=True):
            lease.add_snapshot(chain)
            lease.add_content(layer.digest)
            is_here = all(found) and self._snapshots.exists(chain)
            found.append(self._blob(chain, layer, len(found), lease) if is_here else None)
        return found

    def _blob(
        self, chain: ChainId, layer: Descriptor, depth: int, lease: Lease
    ) -> Descriptor | None:
        if self._content.has(layer.digest):
            return layer
        other = self._of_another_image(chain, depth)
        if other is None:
            return None
        lease.add_content(other.digest)
        return other if self._content.has(other.digest) else None

    def _of_another_image(self, chain: ChainId, depth: int) -> Descriptor | None:
        for image in self._images.list():
            chains = chains_of(image.spec)
            if depth < len(chains) and chains[depth] == chain:
                return image.layers[depth]
        return None
