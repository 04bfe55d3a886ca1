"""The permission matrix, row for row as docs/hub.md states it."""

import itertools

import pytest

from sampan.hub.accounts.permissions import (
    Level,
    OrgRole,
    Right,
    Role,
    Scope,
    Standing,
    decide,
    level_of,
)

PULL, PUSH, TAGS, EDIT, DELETE = (
    Right.PULL,
    Right.PUSH,
    Right.DELETE_TAGS,
    Right.EDIT,
    Right.DELETE,
)
UPTO = {
    Level.NONE: set(),
    Level.READ: {PULL},
    Level.WRITE: {PULL, PUSH},
    Level.ADMIN: {PULL, PUSH, TAGS, EDIT},
    Level.OWNER: {PULL, PUSH, TAGS, EDIT, DELETE},
}
# who -> (their facts, rights on a private repository, rights on a public one)
MATRIX = {
    "stranger": ({}, Level.NONE, Level.READ),
    "signed in": ({"signed_in": True}, Level.NONE, Level.READ),
    "owner": ({"signed_in": True, "owner": True}, Level.OWNER, Level.OWNER),
    "site admin": ({"signed_in": True, "site_admin": True}, Level.OWNER, Level.OWNER),
    "org owner": ({"signed_in": True, "org_role": OrgRole.OWNER}, Level.OWNER, Level.OWNER),
    "org editor": ({"signed_in": True, "org_role": OrgRole.EDITOR}, Level.ADMIN, Level.ADMIN),
    "org member": ({"signed_in": True, "org_role": OrgRole.MEMBER}, Level.NONE, Level.READ),
    "reader": ({"signed_in": True, "granted": Role.READ}, Level.READ, Level.READ),
    "writer": ({"signed_in": True, "granted": Role.WRITE}, Level.WRITE, Level.WRITE),
    "repo admin": ({"signed_in": True, "granted": Role.ADMIN}, Level.ADMIN, Level.ADMIN),
    "member with write": (
        {"signed_in": True, "org_role": OrgRole.MEMBER, "granted": Role.WRITE},
        Level.WRITE,
        Level.WRITE,
    ),
    "facts without a sign-in": (
        {"owner": True, "site_admin": True, "granted": Role.ADMIN, "org_role": OrgRole.OWNER},
        Level.NONE,
        Level.READ,
    ),
}
CEILING = {
    Scope.PUBLIC_READ: (Level.NONE, Level.READ),
    Scope.READ: (Level.READ, Level.READ),
    Scope.WRITE: (Level.WRITE, Level.WRITE),
    Scope.ADMIN: (Level.OWNER, Level.OWNER),
}


@pytest.mark.parametrize("who", MATRIX)
@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("right", [PULL, PUSH, TAGS, EDIT, DELETE])
def test_matrix(who: str, private: bool, right: Right) -> None:
    facts, on_private, on_public = MATRIX[who]
    decision = decide(Standing(private=private, **facts), right)
    level = on_private if private else on_public
    assert decision.allowed == (right in UPTO[level]), decision.reason
    assert decision.hidden == (level is Level.NONE)


@pytest.mark.parametrize(
    ("who", "scope", "private"), list(itertools.product(MATRIX, Scope, [True, False]))
)
def test_a_token_gives_the_less_of_its_scope_and_its_user(
    who: str, scope: Scope, private: bool
) -> None:
    facts, on_private, on_public = MATRIX[who]
    own = on_private if private else on_public
    ceiling = CEILING[scope][0 if private else 1]
    level, _ = level_of(Standing(private=private, scope=scope, **facts))
    assert level == min(own, ceiling)


@pytest.mark.parametrize("who", MATRIX)
@pytest.mark.parametrize("private", [True, False])
def test_what_does_not_exist_gives_no_right_but_creation(who: str, private: bool) -> None:
    facts, _, _ = MATRIX[who]
    standing = Standing(private=private, exists=False, **facts)
    for right in (PULL, PUSH, TAGS, EDIT, DELETE):
        decision = decide(standing, right)
        assert not decision.allowed
        assert decision.hidden
    makers = {"owner", "site admin", "org owner", "org editor"}
    assert decide(standing, Right.CREATE).allowed == (who in makers)


def test_creation_by_token() -> None:
    def may(scope: Scope) -> bool:
        mine = Standing(private=False, exists=False, signed_in=True, owner=True, scope=scope)
        return decide(mine, Right.CREATE).allowed

    assert {scope for scope in Scope if may(scope)} == {Scope.WRITE, Scope.ADMIN}


def test_a_token_makes_nobody_a_maker() -> None:
    stranger = Standing(private=False, exists=False, signed_in=True, scope=Scope.ADMIN)
    assert not decide(stranger, Right.CREATE).allowed
    reader = Standing(
        private=True, signed_in=True, granted=Role.READ, exists=False, scope=Scope.WRITE
    )
    assert not decide(reader, Right.CREATE).allowed


def test_the_reason_names_the_fact_that_decided() -> None:
    granted = Standing(private=True, signed_in=True, granted=Role.WRITE, org_role=OrgRole.MEMBER)
    assert decide(granted, PUSH).reason == "granted write"
    scoped = Standing(private=True, signed_in=True, owner=True, scope=Scope.READ)
    assert decide(scoped, PUSH).reason == "token scope repo:read"
