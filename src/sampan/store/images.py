"""Images, their names and the digests under which registries know them.

An image is visible from the moment its row is committed; before that its config, its layers' blobs
and its snapshots must be in place, held by a lease. A row keeps all of these from gc, whether a
name points to it or not: only `remove` ends it. Config documents are immutable, so parsed ones are
kept in memory.
"""

import re
import threading
from collections.abc import Iterable, Sequence

from sampan.errors import NotFound
from sampan.lib import gotime
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import PREFIX, Digest, InvalidDigest, chain_ids, parse_digest, sha256_of
from sampan.oci.image_config import ImageSpec
from sampan.oci.reference import Reference, parse_reference
from sampan.store.content import ContentStore
from sampan.store.image_records import COLUMNS, Image, from_row, to_row
from sampan.store.metadata import Database

__all__ = ["Image", "ImageStore", "NoSuchImage"]

_ID_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")
Images = list[Image]  # the store has a method named list
References = list[Reference]
Digests = list[Digest]
Texts = list[str]

_WHOLE_ID = re.compile(r"[0-9a-f]{64}")


class NoSuchImage(NotFound):
    def __init__(self, text: str) -> None:
        super().__init__(f"No such image: {text}")


class ImageStore:
    """Thread-safe; methods block on the disk."""

    def __init__(self, database: Database, content: ContentStore) -> None:
        self._database = database
        self._content = content
        self._specs: dict[Digest, ImageSpec] = {}
        self._specs_lock = threading.Lock()

    # --- images -----------------------------------------------------------------------------

    def add(
        self,
        config: bytes,
        layers: Sequence[Descriptor],
        *,
        size_bytes: int,
        manifest: Descriptor | None = None,
        parent: Digest | None = None,
        built_here: bool = False,
    ) -> Image:
        """Make the image visible. Idempotent: an image that is there keeps its times.

        What is newly said of it (blobs, manifest, parent) replaces what was known.
        """
        spec = image_config.decode(config)
        identifier = self._content.put(config).digest
        chains = chain_ids(spec.rootfs.diff_ids)
        image = Image(
            id=identifier,
            spec=spec,
            manifest=manifest,
            layers=tuple(layers),
            chain_id=chains[-1] if chains else None,
            size_bytes=size_bytes,
            parent=parent,
            created_ns=spec.created_ns,
            tagged_ns=0,
            built_here=built_here,
        )
        marks = ", ".join("?" * len(to_row(image)))
        with self._database.transaction() as cursor:
            cursor.execute(
                f"INSERT INTO images ({COLUMNS}) VALUES ({marks})"  # noqa: S608 - constants
                " ON CONFLICT (id) DO UPDATE SET"
                " manifest = coalesce(excluded.manifest, manifest), layers = excluded.layers,"
                " parent = coalesce(excluded.parent, parent),"
                " built_here = max(built_here, excluded.built_here)",
                to_row(image),
            )
        return self.get(identifier)

    def get(self, identifier: Digest) -> Image:
        """Raises NoSuchImage."""
        found = self._select("WHERE id = ?", (identifier,))
        if not found:
            raise NoSuchImage(identifier)
        return found[0]

    def list(self) -> Images:
        """Newest first."""
        return self._select("ORDER BY created_ns DESC, id", ())

    def children(self, identifier: Digest) -> Images:
        """Images built from this one."""
        return self._select("WHERE parent = ? ORDER BY created_ns", (identifier,))

    def remove(self, identifier: Digest) -> None:
        """Forget the image with its names and digests; gc takes what only it used. Idempotent."""
        with self._database.transaction() as cursor:
            cursor.execute("UPDATE images SET parent = NULL WHERE parent = ?", (identifier,))
            cursor.execute("DELETE FROM images WHERE id = ?", (identifier,))
        with self._specs_lock:
            self._specs.pop(identifier, None)

    def _select(self, rest: str, values: Sequence[object]) -> Images:
        with self._database.reading() as cursor:
            rows = cursor.execute(f"SELECT {COLUMNS} FROM images {rest}", values).fetchall()  # noqa: S608
        return [from_row(row, self._spec(row[0])) for row in rows]

    def _spec(self, identifier: Digest) -> ImageSpec:
        with self._specs_lock:
            known = self._specs.get(identifier)
        if known is not None:
            return known
        spec = image_config.decode(self._content.read(identifier))
        with self._specs_lock:
            self._specs[identifier] = spec
        return spec

    # --- names ------------------------------------------------------------------------------

    def tag(self, reference: Reference, identifier: Digest) -> Digest | None:
        """Point a name at an image; returns the image it pointed at before, if another."""
        name = str(reference.with_default_tag())
        with self._database.transaction() as cursor:
            row = cursor.execute(
                "SELECT image FROM image_refs WHERE reference = ?", (name,)
            ).fetchone()
            if not cursor.execute("SELECT 1 FROM images WHERE id = ?", (identifier,)).fetchone():
                raise NoSuchImage(identifier)
            cursor.execute("INSERT OR REPLACE INTO image_refs VALUES (?, ?)", (name, identifier))
            cursor.execute(
                "UPDATE images SET tagged_ns = ? WHERE id = ?", (gotime.now_ns(), identifier)
            )
        return row[0] if row and row[0] != identifier else None

    def untag(self, reference: Reference) -> None:
        """Forget a name, or a name@digest. Idempotent; the image stays."""
        with self._database.transaction() as cursor:
            if reference.digest is not None:
                cursor.execute(
                    "DELETE FROM image_digests WHERE name = ? AND digest = ?",
                    (reference.name, reference.digest),
                )
            name = str(reference.with_default_tag())
            cursor.execute("DELETE FROM image_refs WHERE reference = ?", (name,))

    def references(self, identifier: Digest) -> References:
        """Names of an image, sorted."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT reference FROM image_refs WHERE image = ? ORDER BY reference",
                (identifier,),
            ).fetchall()
        return [parse_reference(text) for (text,) in rows]

    def record_digest(self, name: str, digest: Digest, identifier: Digest) -> None:
        """Remember that a registry knows the image as name@digest; `name` is canonical."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT OR REPLACE INTO image_digests VALUES (?, ?, ?)",
                (name, digest, identifier),
            )

    def digests(self, identifier: Digest) -> Texts:
        """RepoDigests: "busybox@sha256:..."."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT name, digest FROM image_digests WHERE image = ? ORDER BY name, digest",
                (identifier,),
            ).fetchall()
        return [parse_reference(f"{name}@{digest}").familiar for name, digest in rows]

    # --- lookup -----------------------------------------------------------------------------

    def find(self, reference: Reference) -> Image | None:
        """By digest if the reference has one, else by name and tag (`latest` when missing)."""
        if reference.digest is None:
            query = "SELECT image FROM image_refs WHERE reference = ?"
            values: Sequence[str] = (str(reference.with_default_tag()),)
        else:
            query = "SELECT image FROM image_digests WHERE name = ? AND digest = ?"
            values = (reference.name, reference.digest)
        with self._database.reading() as cursor:
            row = cursor.execute(query, values).fetchone()
        return self.get(row[0]) if row else None

    def resolve(self, text: str) -> Image:
        """What a user may say for an image: name, name@digest, id, or an id's unique beginning.

        Raises NoSuchImage, or InvalidReference when it could be none of these.
        """
        identifier = _whole_id(text)
        if identifier is not None:
            return self.get(identifier)
        reference = parse_reference(text)
        found = self.find(reference) or self._by_prefix(text)
        if found is None:
            raise NoSuchImage(reference.with_default_tag().familiar)
        return found

    def _by_prefix(self, text: str) -> Image | None:
        match = _ID_PREFIX.fullmatch(text)
        if match is None:
            return None
        found = self._ids_from(PREFIX + match[1])
        return self.get(found[0]) if len(found) == 1 else None

    def _ids_from(self, prefix: str) -> Digests:
        with self._database.reading() as cursor:
            rows: Iterable[tuple[Digest]] = cursor.execute(
                "SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2", (prefix, prefix + "g")
            ).fetchall()
        return [identifier for (identifier,) in rows]


def _whole_id(text: str) -> Digest | None:
    if _WHOLE_ID.fullmatch(text):
        return Digest(PREFIX + text)
    try:
        return parse_digest(text)
    except InvalidDigest:
        return None


def image_id(config: bytes) -> Digest:
    """The id that an image with this config has."""
    return sha256_of(config)
