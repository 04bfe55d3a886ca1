"""The one decision: what somebody may do with a repository.

Pure. `Standing` holds the facts about one caller and one repository, `level_of` turns them into
the highest level that any of them gives, `decide` compares that with what a right needs.

    level   what it allows                                     who has it
    none    nothing: the repository doesn't exist for them     strangers, when it's private
    read    pull, see                                          everybody, when it's public
    write   + push                                             granted
    admin   + settings, collaborators, webhooks, tags' removal granted; an organisation's editors
    owner   + removal of the repository                        the account or organisation itself

Invariants: an access token never gives more than its scope, whoever made it; who has no level at
all on a repository can't tell it from one that doesn't exist (`Decision.hidden`); an account that
is switched off has the rights of a stranger. A member of an organisation gets what teams give.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3
    OWNER = 4


class Role(StrEnum):
    """A role that is granted on a repository, to a collaborator or a team."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class OrgRole(StrEnum):
    OWNER = "owner"
    EDITOR = "editor"
    MEMBER = "member"


class Right(StrEnum):
    PULL = "pull"
    PUSH = "push"
    CREATE = "create"
    DELETE_TAGS = "delete tags"
    EDIT = "edit"
    DELETE = "delete"


class Scope(StrEnum):
    """What an access token is good for at most."""

    PUBLIC_READ = "repo:public_read"
    READ = "repo:read"
    WRITE = "repo:write"
    ADMIN = "repo:admin"


ROLE_LEVEL = {Role.READ: Level.READ, Role.WRITE: Level.WRITE, Role.ADMIN: Level.ADMIN}
ORG_LEVEL = {
    OrgRole.OWNER: Level.OWNER,
    OrgRole.EDITOR: Level.ADMIN,
    OrgRole.MEMBER: Level.NONE,
}
SCOPE_LEVEL = {
    Scope.PUBLIC_READ: Level.READ,
    Scope.READ: Level.READ,
    Scope.WRITE: Level.WRITE,
    Scope.ADMIN: Level.OWNER,
}
NEEDS = {
    Right.PULL: Level.READ,
    Right.PUSH: Level.WRITE,
    Right.CREATE: Level.ADMIN,
    Right.DELETE_TAGS: Level.ADMIN,
    Right.EDIT: Level.ADMIN,
    Right.DELETE: Level.OWNER,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The facts about one caller and one repository.

    `owner`: the namespace is the caller's own account. `org_role`: theirs in the organisation that
    owns the namespace. `granted`: the highest role from being a collaborator and from teams.
    `scope`: of the access token used; None when a password or a session was.
    """

    private: bool
    exists: bool = True
    signed_in: bool = False
    site_admin: bool = False
    owner: bool = False
    org_role: OrgRole | None = None
    granted: Role | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`hidden`: a refusal must look as if the repository didn't exist."""

    allowed: bool
    reason: str
    hidden: bool = False


def level_of(standing: Standing) -> tuple[Level, str]:
    """The highest level that the facts give, and which of them gave it."""
    given = [(Level.NONE, "no role here")]
    if standing.exists and not standing.private:
        given.append((Level.READ, "public repository"))
    if standing.signed_in:
        given += _own_levels(standing)
    level, reason = max(given, key=lambda pair: pair[0])
    return _under_scope(standing, level, reason)


def _own_levels(standing: Standing) -> list[tuple[Level, str]]:
    given = []
    if standing.owner:
        given.append((Level.OWNER, "own repository"))
    if standing.site_admin:
        given.append((Level.OWNER, "site administrator"))
    if standing.org_role is not None:
        given.append((ORG_LEVEL[standing.org_role], f"organisation {standing.org_role}"))
    if standing.granted is not None and standing.exists:
        given.append((ROLE_LEVEL[standing.granted], f"granted {standing.granted}"))
    return given


def _under_scope(standing: Standing, level: Level, reason: str) -> tuple[Level, str]:
    scope = standing.scope
    if scope is None:
        return level, reason
    if scope is Scope.PUBLIC_READ and (standing.private or not standing.exists):
        return Level.NONE, f"token scope {scope}"
    most = SCOPE_LEVEL[scope]
    return (most, f"token scope {scope}") if most < level else (level, reason)


def decide(standing: Standing, right: Right) -> Decision:
    """May the caller do `right`? A repository that doesn't exist yet can only be made."""
    level, reason = level_of(standing)
    if not standing.exists and right is not Right.CREATE:
        return Decision(allowed=False, reason="no such repository", hidden=True)
    needed = _creation_level(standing) if right is Right.CREATE else NEEDS[right]
    return Decision(allowed=level >= needed, reason=reason, hidden=level is Level.NONE)


def _creation_level(standing: Standing) -> Level:
    """A token that may push may also make, by pushing, what its user may make."""
    return Level.WRITE if standing.scope is Scope.WRITE else NEEDS[Right.CREATE]
