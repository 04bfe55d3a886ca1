"""The tables of accounts. Times are nanoseconds since the epoch.

    namespaces --+-- accounts -----+--< sessions, access_tokens, stars
                 |                 |--< organisation_members >--+
                 |                 |--< team_members >-- teams >-+
                 |                 `--< collaborators            |
                 `-- organisations ------------------------------+   teams --< team_roles

An account's or organisation's id is its namespace's id: both own repositories by one name.
Secrets are here only as hashes: passwords by argon2, tokens and sessions by SHA-256. `stamp` is
random and renewed with the password: what was signed for an older stamp is void.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    false,
    true,
)

from sampan.hub.db.migrations import Part
from sampan.hub.db.schema import Identifier, metadata


def _account(*, primary_key: bool = False) -> Column[int]:
    return Column(
        "account_id",
        Identifier,
        ForeignKey("accounts.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


def _repository() -> Column[int]:
    return Column(
        "repository_id",
        Identifier,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=True,
    )


def _role() -> Column[str]:
    return Column("role", String(16), nullable=False)


accounts = Table(
    "accounts",
    metadata,
    Column("id", Identifier, ForeignKey("namespaces.id", ondelete="CASCADE"), primary_key=True),
    Column("password_hash", String(255)),
    Column("stamp", String(32), nullable=False),
    Column("full_name", String(100), nullable=False, server_default=""),
    Column("email", String(255), nullable=False, server_default=""),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("private_by_default", Boolean, nullable=False, server_default=false()),
    Column("last_login_ns", BigInteger),
)

organisations = Table(
    "organisations",
    metadata,
    Column("id", Identifier, ForeignKey("namespaces.id", ondelete="CASCADE"), primary_key=True),
    Column("full_name", String(100), nullable=False, server_default=""),
    Column("private_by_default", Boolean, nullable=False, server_default=false()),
)

organisation_members = Table(
    "organisation_members",
    metadata,
    Column(
        "organisation_id",
        Identifier,
        ForeignKey("organisations.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _account(primary_key=True),
    _role(),
    Index("organisation_members_by_account", "account_id"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column(
        "organisation_id",
        Identifier,
        ForeignKey("organisations.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("name", String(30), nullable=False),
    Column("description", String(255), nullable=False, server_default=""),
    UniqueConstraint("organisation_id", "name"),
)

team_members = Table(
    "team_members",
    metadata,
    Column("team_id", Identifier, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    _account(primary_key=True),
    Index("team_members_by_account", "account_id"),
)

team_roles = Table(
    "team_roles",
    metadata,
    Column("team_id", Identifier, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    _repository(),
    _role(),
    Index("team_roles_by_repository", "repository_id"),
)

collaborators = Table(
    "collaborators",
    metadata,
    _repository(),
    _account(primary_key=True),
    _role(),
    Index("collaborators_by_account", "account_id"),
)

stars = Table(
    "stars",
    metadata,
    _account(primary_key=True),
    _repository(),
    Column("starred_ns", BigInteger, nullable=False),
    Index("stars_by_repository", "repository_id"),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    _account(),
    Column("label", String(100), nullable=False),
    Column("scope", String(32), nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger),
    Column("used_ns", BigInteger),
    Index("access_tokens_by_account", "account_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    _account(),
    Column("stamp", String(32), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Index("sessions_by_account", "account_id"),
)

PART = Part(
    "accounts",
    (
        accounts,
        organisations,
        organisation_members,
        teams,
        team_members,
        team_roles,
        collaborators,
        stars,
        access_tokens,
        sessions,
    ),
)
