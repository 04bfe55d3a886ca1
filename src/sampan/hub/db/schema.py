"""The registry's tables. Times are nanoseconds since the epoch.

    namespaces --< repositories --< repository_blobs >-- blobs        what a repository may read
                              |---< manifests --< manifest_references  blobs and child manifests
                              |---< tags          (name -> manifest)
                              |---< uploads       (bytes in the root's uploads/ID)
                              `---< push_events   (outbox of pushed tags)

A manifest's bytes are kept here, so a push becomes visible in one transaction: manifest, its
references, the tag and the event. A blob's bytes are with the storage driver.

There is no stored count of references: it is `manifest_references` joined by an index, so it can't
drift from the truth. `touched_ns` is the lease of a push under way (see v2/gc.py): whoever relies
on a blob, a link to one or a manifest renews it in the transaction that relies on it. Deleting
a repository's row deletes all of its rows here.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeEngine

from sampan.hub.db.migrations import Part

metadata = MetaData()  # of all parts of the hub: accounts and webhooks add theirs

Identifier = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys

DIGEST_LENGTH = 140  # sha512 and its prefix
ARRIVING, LIVE, DELETING = "arriving", "live", "deleting"  # states of a blob: see v2/gc.py
BLOB, MANIFEST = "blob", "manifest"
USER, ORGANISATION = "user", "organisation"


def _sorted(length: int) -> TypeEngine[str]:
    """Text that sorts by its bytes in both databases: pages of lists rely on it."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _repository() -> Column[int]:
    return Column(
        "repository_id",
        Identifier,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=True,
    )


def _digest(name: str = "digest", *, primary_key: bool = False) -> Column[str]:
    return Column(name, String(DIGEST_LENGTH), primary_key=primary_key, nullable=False)


namespaces = Table(
    "namespaces",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("name", _sorted(255), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # USER or ORGANISATION
    Column("created_ns", BigInteger, nullable=False),
    Column("quota_bytes", BigInteger),  # NULL: as the hub's settings say; 0: unlimited
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("namespace_id", Identifier, ForeignKey("namespaces.id"), nullable=False),
    Column("name", _sorted(255), nullable=False),  # without the namespace
    Column("is_private", Boolean, nullable=False, server_default=false()),
    Column("description", String(255), nullable=False, server_default=""),
    Column("full_description", Text, nullable=False, server_default=""),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),  # the last push or change of settings
    Column("pull_count", BigInteger, nullable=False, server_default="0"),
    Column("star_count", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("namespace_id", "name"),
)

blobs = Table(
    "blobs",
    metadata,
    _digest(primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, server_default=LIVE),
    Column("created_ns", BigInteger, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
)

repository_blobs = Table(
    "repository_blobs",
    metadata,
    _repository(),
    Column("digest", String(DIGEST_LENGTH), ForeignKey("blobs.digest"), primary_key=True),
    Column("touched_ns", BigInteger, nullable=False),
    Index("repository_blobs_by_digest", "digest"),
)

manifests = Table(
    "manifests",
    metadata,
    _repository(),
    _digest(primary_key=True),
    Column("media_type", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),  # of the manifest itself
    Column("payload", LargeBinary, nullable=False),
    Column("subject_digest", String(DIGEST_LENGTH)),
    Column("artifact_type", String(255), nullable=False, server_default=""),
    Column("config_digest", String(DIGEST_LENGTH)),
    Column("image_size", BigInteger, nullable=False, server_default="0"),  # config and layers
    Column("os", String(64), nullable=False, server_default=""),  # empty for an index
    Column("architecture", String(64), nullable=False, server_default=""),
    Column("variant", String(64), nullable=False, server_default=""),
    Column("pusher", String(255)),
    Column("pushed_ns", BigInteger, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
    Index("manifests_by_subject", "repository_id", "subject_digest"),
)

manifest_references = Table(
    "manifest_references",
    metadata,
    _repository(),
    _digest("manifest_digest", primary_key=True),
    Column("kind", String(16), primary_key=True),  # BLOB or MANIFEST
    _digest("target_digest", primary_key=True),
    ForeignKeyConstraint(
        ["repository_id", "manifest_digest"],
        ["manifests.repository_id", "manifests.digest"],
        ondelete="CASCADE",
    ),
    Index("manifest_references_by_target", "repository_id", "target_digest", "kind"),
)

tags = Table(
    "tags",
    metadata,
    _repository(),
    Column("name", _sorted(128), primary_key=True),
    _digest(),
    Column("pusher", String(255)),
    Column("pushed_ns", BigInteger, nullable=False),
    Column("pulled_ns", BigInteger),
    ForeignKeyConstraint(
        ["repository_id", "digest"], ["manifests.repository_id", "manifests.digest"]
    ),
    Index("tags_by_digest", "repository_id", "digest"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column(
        "repository_id",
        Identifier,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("started_ns", BigInteger, nullable=False),
    Index("uploads_by_repository", "repository_id"),
)

push_events = Table(
    "push_events",
    metadata,
    Column("id", Identifier, primary_key=True),  # ascends: who consumes remembers or deletes
    Column(
        "repository_id",
        Identifier,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("tag", String(128), nullable=False),
    _digest(),
    Column("media_type", String(255), nullable=False),
    Column("pusher", String(255)),
    Column("time_ns", BigInteger, nullable=False),
    Index("push_events_by_repository", "repository_id"),
    sqlite_autoincrement=True,  # an id isn't given twice, even when the newest rows are consumed
)


def _add_quota(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE namespaces ADD COLUMN quota_bytes BIGINT")


PART = Part(
    "registry",
    (
        namespaces,
        repositories,
        blobs,
        repository_blobs,
        manifests,
        manifest_references,
        tags,
        uploads,
        push_events,
    ),
    steps=(_add_quota,),
)
