"""The two things that vertices make: an image (a state to build on) and a tree of files."""

from dataclasses import dataclass

from sampan.builder.trees import Tree
from sampan.oci.digest import ChainId
from sampan.oci.image_config import ImageRunConfig
from sampan.store.image_records import Image


@dataclass(frozen=True, slots=True)
class State:
    """An image in the store; without one, the empty state of FROM scratch."""

    image: Image | None = None

    @property
    def identity(self) -> str:
        return self.image.id if self.image is not None else ""

    @property
    def config(self) -> ImageRunConfig:
        return self.image.spec.config if self.image is not None else ImageRunConfig()

    @property
    def author(self) -> str:
        return self.image.spec.author if self.image is not None else ""

    @property
    def chain_id(self) -> ChainId | None:
        return self.image.chain_id if self.image is not None else None


@dataclass(frozen=True, slots=True)
class Files:
    """The build context, or here-documents of one instruction."""

    tree: Tree

    @property
    def identity(self) -> str:
        return ""
