"""What is known of layers at registries: under which digests, in which repositories.

A layer that was made here has no compressed form of its own: what it was compressed to when it was
first pushed is remembered by its diff id, so that a second push finds it there without compressing
again, and a push to another repository of the same registry can have it mounted. Only hints: the
registry is asked each time.
"""

from collections.abc import Iterable, Sequence

import msgspec

from sampan.errors import NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.store.metadata import Documents

MAX_BLOBS = 4  # forms of one layer
MAX_REPOSITORIES = 8  # of one form; the newest stay


class KnownBlob(msgspec.Struct, frozen=True, kw_only=True):
    """`repositories` are canonical names, the newest first."""

    blob: Descriptor
    repositories: tuple[str, ...] = ()

    def mountable(self, reference: Reference) -> Iterable[str]:
        """Paths of other repositories at the registry of `reference` that had the blob."""
        prefix = f"{reference.domain}/"
        for name in self.repositories:
            if name.startswith(prefix) and name != reference.name:
                yield name.removeprefix(prefix)


class PushedBlobs:
    """Blocking, thread-safe; one document a diff id."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def known(self, diff_id: Digest) -> list[KnownBlob]:
        """Newest first."""
        try:
            return msgspec.json.decode(self._documents.get(diff_id), type=list[KnownBlob])
        except (NotFound, msgspec.MsgspecError):
            return []

    def remember(self, blobs: Sequence[tuple[Digest, Descriptor]], repository: str) -> None:
        """All of them are in `repository` (a canonical name) now."""
        self._documents.put_many(
            {
                diff_id: msgspec.json.encode(self._with(diff_id, blob, repository))
                for diff_id, blob in blobs
            }
        )

    def _with(self, diff_id: Digest, blob: Descriptor, repository: str) -> list[KnownBlob]:
        before = self.known(diff_id)
        old = next((entry for entry in before if entry.blob.digest == blob.digest), None)
        names = [name for name in (old.repositories if old else ()) if name != repository]
        fresh = KnownBlob(blob=blob, repositories=(repository, *names)[:MAX_REPOSITORIES])
        return [fresh, *(entry for entry in before if entry is not old)][:MAX_BLOBS]
