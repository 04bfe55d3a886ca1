"""Which of the scopes asked for somebody gets, and making a repository at its first push."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, or_, select

from sampan.hub.accounts.permissions import Right, Standing, decide
from sampan.hub.accounts.plans import Plan, check_private, check_storage
from sampan.hub.accounts.schema import accounts, organisations
from sampan.hub.accounts.scopes import CATALOG, DELETE, PULL, PUSH, REGISTRY, Grant
from sampan.hub.accounts.standing import standing
from sampan.hub.accounts.users import Caller
from sampan.hub.db.engine import Database
from sampan.hub.db.schema import namespaces
from sampan.hub.v2 import repositories
from sampan.hub.v2.names import split

_RIGHTS = {PULL: Right.PULL, PUSH: Right.PUSH, DELETE: Right.DELETE_TAGS}


@dataclass(frozen=True, slots=True)
class Creation:
    """How repositories are that a push makes, unless their owner's setting says private.

    The push is refused where the plan has no room for one more: it never becomes public instead.
    """

    private: bool = False
    plan: Plan = field(default_factory=Plan)


def allowed_grants(
    connection: Connection, caller: Caller, wanted: Iterable[Grant]
) -> tuple[Grant, ...]:
    """What is asked for, cut down to what the caller may; entries without any action are gone."""
    found = []
    for grant in wanted:
        if grant.type == REGISTRY:
            actions = grant.actions if caller.account and grant.name == CATALOG else ()
        else:
            _, facts = standing(connection, caller, *split(grant.name))
            actions = allowed_actions(facts, grant.actions)
        if actions:
            found.append(Grant(grant.type, grant.name, actions))
    return tuple(found)


def allowed_actions(facts: Standing, actions: Iterable[str]) -> tuple[str, ...]:
    """Pure. Who may make a repository may pull from and push to it before it is there."""
    if not facts.exists:
        may = decide(facts, Right.CREATE).allowed
        return tuple(action for action in actions if may and action in (PULL, PUSH))
    return tuple(action for action in actions if decide(facts, _RIGHTS[action]).allowed)


async def ensure_repository(database: Database, repository: str, creation: Creation) -> None:
    """Make a repository at its first push, private where its owner's settings say so.

    Raises StorageFull, PrivateFull.
    """
    found = await database.read(lambda connection: repositories.find_id(connection, repository))
    if found is None:
        await database.write(lambda connection: _make(connection, repository, creation))


def _make(connection: Connection, repository: str, creation: Creation) -> None:
    namespace = split(repository)[0]
    asked = connection.execute(
        select(
            or_(
                select(accounts.c.private_by_default)
                .where(accounts.c.id == namespaces.c.id)
                .scalar_subquery(),
                select(organisations.c.private_by_default)
                .where(organisations.c.id == namespaces.c.id)
                .scalar_subquery(),
            )
        ).where(namespaces.c.name == namespace)
    ).scalar_one_or_none()
    private = creation.private or bool(asked)
    if repositories.find_id(connection, repository) is None:
        check_storage(connection, namespace, creation.plan, more_bytes=1)
        if private:
            check_private(connection, namespace, creation.plan)
    repositories.ensure(connection, repository, is_private=private)
