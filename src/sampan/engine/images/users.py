"""Who uses an image: asked of the containers, which this package doesn't know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sampan.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class ImageUser:
    container_id: str
    running: bool


class ImageUsers(Protocol):
    """Asked by removal, prune and listing, on the event loop; answers from memory."""

    def users_of(self, image: Digest) -> Sequence[ImageUser]: ...


class NoUsers:
    """Where there are no containers."""

    def users_of(self, image: Digest) -> Sequence[ImageUser]:
        return ()
