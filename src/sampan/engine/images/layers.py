"""What the engine's image use cases need to know of unpacked layers."""

from pathlib import Path
from typing import Protocol

from sampan.oci.digest import ChainId, chain_ids
from sampan.oci.image_config import ImageSpec


class LayerStore(Protocol):
    """The part of a snapshotter that is read here; blocking, thread-safe."""

    def exists(self, key: ChainId) -> bool: ...

    def size_bytes(self, key: ChainId) -> int:
        """Of the layer alone; 0 when it isn't unpacked."""
        ...

    def upper(self, key: ChainId) -> Path: ...

    def lowers(self, key: ChainId) -> list[Path]:
        """The layers under it, top first."""
        ...


def chains_of(spec: ImageSpec) -> list[ChainId]:
    """Chain ids of an image's layers, base first."""
    return chain_ids(spec.rootfs.diff_ids)
