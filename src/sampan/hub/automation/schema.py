"""The tables of webhooks and automated builds. Times are nanoseconds since the epoch.

    repositories --+--< webhooks --< webhook_deliveries --< webhook_attempts
                   |--- build_sources --+--< build_rules
                   |                    `--< build_source_refs   (what polling has seen)
                   `--< builds                                   (queue and history)

A delivery's payload is made once, with the row: retries send equal bytes. `next_try_ns` is when it
is due; NULL once it has ended. Secrets (of webhooks, deploy keys, build arguments) are sealed with
a key that isn't in the database (sealing.py).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from sampan.hub.db.migrations import Part
from sampan.hub.db.schema import DIGEST_LENGTH, Identifier, metadata


def _repository(parent: str = "repositories.id", *, primary_key: bool = False) -> Column[int]:
    return Column(
        "repository_id",
        Identifier,
        ForeignKey(parent, ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Identifier, primary_key=True),
    _repository(),
    Column("name", String(100), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),  # sealed
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("creator", String(255), nullable=False, server_default=""),
    Column("created_ns", BigInteger, nullable=False),
    UniqueConstraint("repository_id", "name"),
    sqlite_autoincrement=True,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("webhook_id", Identifier, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", String(16), nullable=False),
    Column("tag", String(128), nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),  # begun ones
    Column("created_ns", BigInteger, nullable=False),
    Column("next_try_ns", BigInteger),
    Column("finished_ns", BigInteger),
    Column("replay_of", String(36)),
    Index("webhook_deliveries_by_webhook", "webhook_id", "created_ns"),
    Index("webhook_deliveries_due", "state", "next_try_ns"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column(
        "delivery_id",
        String(36),
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True),
    Column("started_ns", BigInteger, nullable=False),
    Column("latency_ns", BigInteger),  # NULL: under way, or cut off by a crash
    Column("status", Integer),
    Column("error", String(255), nullable=False, server_default=""),
    Column("response", Text, nullable=False, server_default=""),
)

build_sources = Table(
    "build_sources",
    metadata,
    _repository(primary_key=True),
    Column("url", Text, nullable=False),
    Column("trigger_id", String(36), nullable=False, unique=True),
    Column("trigger_secret", Text, nullable=False),  # sealed
    Column("deploy_key", Text, nullable=False, server_default=""),  # sealed; "" without one
    Column("deploy_key_public", Text, nullable=False, server_default=""),
    Column("arguments", Text, nullable=False),  # sealed JSON object
    Column("poll_s", BigInteger, nullable=False, server_default="0"),  # 0: isn't polled
    Column("polled_ns", BigInteger, nullable=False, server_default="0"),
    Column("poll_error", String(255), nullable=False, server_default=""),
    Column("linked_by", String(255), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)

build_rules = Table(
    "build_rules",
    metadata,
    Column("id", Identifier, primary_key=True),
    _repository("build_sources.repository_id"),
    Column("position", Integer, nullable=False),
    Column("source_type", String(8), nullable=False),
    Column("source", String(255), nullable=False),
    Column("docker_tag", String(255), nullable=False),
    Column("dockerfile", String(255), nullable=False),
    Column("build_context", String(255), nullable=False),
    Column("autobuild", Boolean, nullable=False, server_default=true()),
    Column("build_caching", Boolean, nullable=False, server_default=true()),
    Index("build_rules_by_repository", "repository_id", "position"),
)

build_source_refs = Table(
    "build_source_refs",
    metadata,
    _repository("build_sources.repository_id", primary_key=True),
    Column("ref", String(255), primary_key=True),
    Column("commit", String(64), nullable=False),
)

builds = Table(
    "builds",
    metadata,
    Column("id", Identifier, primary_key=True),
    _repository(),
    Column("trigger", String(16), nullable=False),
    Column("requested_by", String(255), nullable=False, server_default=""),
    Column("source_type", String(8), nullable=False),
    Column("source_ref", String(255), nullable=False),
    Column("commit", String(64), nullable=False, server_default=""),
    Column("tag", String(128), nullable=False),
    Column("dockerfile", String(255), nullable=False),
    Column("build_context", String(255), nullable=False),
    Column("build_caching", Boolean, nullable=False, server_default=true()),
    Column("state", String(16), nullable=False),
    Column("reason", String(1024), nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    Column("digest", String(DIGEST_LENGTH), nullable=False, server_default=""),
    Column("created_ns", BigInteger, nullable=False),
    Column("started_ns", BigInteger),
    Column("finished_ns", BigInteger),
    Index("builds_by_repository", "repository_id", "id"),
    Index("builds_by_state", "state", "id"),
    sqlite_autoincrement=True,  # a log's name isn't given twice
)

PART = Part(
    "automation",
    (
        webhooks,
        webhook_deliveries,
        webhook_attempts,
        build_sources,
        build_rules,
        build_source_refs,
        builds,
    ),
    steps=(),
)
