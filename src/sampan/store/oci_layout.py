"""The archive of `docker save`: an OCI image layout with Docker's manifest.json beside it.

    blobs/sha256/<hex>   configs, manifests, layers (uncompressed)
    <hex>/layer.tar      symlink to a layer, where engines before 25 had it
    index.json           OCI index: one manifest an image and name
    manifest.json        [{"Config": path, "RepoTags": [...], "Layers": [paths, base first]}]
    oci-layout           {"imageLayoutVersion": "1.0.0"}
    repositories         {"busybox": {"latest": hex of the top layer}}; for the oldest readers

Engines before 25 wrote `<hex>.json` and `<layer>/layer.tar` instead of blobs (equal layers as
symlinks); readers must take both, and archives with only one of the two indexes. Reading is in
oci_load.py, writing in oci_save.py; here are the names and the documents.
"""

from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.oci.digest import Digest, encoded

MANIFEST = "manifest.json"
INDEX = "index.json"
LAYOUT = "oci-layout"
REPOSITORIES = "repositories"
BLOBS = "blobs/sha256/"
LAYOUT_DOCUMENT = b'{"imageLayoutVersion":"1.0.0"}'

NAME_ANNOTATION = "io.containerd.image.name"
REF_ANNOTATION = "org.opencontainers.image.ref.name"


class InvalidArchive(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid image archive: {reason}")


class SavedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of manifest.json."""

    Config: str
    RepoTags: tuple[str, ...] | None = None
    Layers: tuple[str, ...] | None = None
    LayerSources: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


def blob_path(digest: Digest) -> str:
    return BLOBS + encoded(digest)


def parse_saved(data: bytes) -> list[SavedImage]:
    try:
        return msgspec.json.decode(data, type=list[SavedImage])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidArchive(f"{MANIFEST}: {error}") from error
