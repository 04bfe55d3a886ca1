"""SQL on webhooks: made, listed, switched, removed. Callers have checked the rights.

The secret is in the answer to `create` and to `renew_secret` only.
"""

import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from sampan.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from sampan.hub.automation.outgoing import check_url
from sampan.hub.automation.rows import record_of
from sampan.hub.automation.schema import webhooks
from sampan.hub.automation.sealing import Sealer

NAME_MOST = 100
HOOKS_MOST = 20


@dataclass(frozen=True, slots=True)
class Webhook:
    id: int
    repository_id: int
    name: str
    url: str
    is_active: bool
    creator: str
    created_ns: int


class WebhookNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("no such webhook")


class NameTaken(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"the repository has a webhook named {name}")


def create(
    connection: Connection,
    repository_id: int,
    *,
    name: str,
    url: str,
    creator: str,
    sealer: Sealer,
) -> tuple[Webhook, str]:
    """The webhook and its secret. Raises InvalidArgument, NameTaken, Conflict."""
    name, url = check_name(name), check_url(url)
    held = list_webhooks(connection, repository_id)
    if any(each.name == name for each in held):
        raise NameTaken(name)
    if len(held) >= HOOKS_MOST:
        raise Conflict(f"a repository has at most {HOOKS_MOST} webhooks")
    secret = new_secret()
    made = connection.execute(
        insert(webhooks).values(
            repository_id=repository_id,
            name=name,
            url=url,
            secret=sealer.seal(secret),
            creator=creator,
            created_ns=time.time_ns(),
        )
    ).inserted_primary_key
    assert made is not None
    return get(connection, repository_id, made.id), secret


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def check_name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= NAME_MOST or not name.isprintable() or "/" in name:
        raise InvalidArgument(f"a name of 1 to {NAME_MOST} characters is needed, without slashes")
    return name


def get(connection: Connection, repository_id: int, webhook_id: int) -> Webhook:
    """Raises WebhookNotFound, also for another repository's."""
    row = connection.execute(
        select(webhooks).where(
            webhooks.c.id == webhook_id, webhooks.c.repository_id == repository_id
        )
    ).first()
    if row is None:
        raise WebhookNotFound
    return record_of(Webhook, row)


def get_by_name(connection: Connection, repository_id: int, name: str) -> Webhook:
    """Raises WebhookNotFound."""
    for each in list_webhooks(connection, repository_id):
        if each.name == name:
            return each
    raise WebhookNotFound


def list_webhooks(connection: Connection, repository_id: int) -> list[Webhook]:
    rows = connection.execute(
        select(webhooks).where(webhooks.c.repository_id == repository_id).order_by(webhooks.c.name)
    )
    return [record_of(Webhook, row) for row in rows]


def active_webhooks(connection: Connection, repository_id: int) -> list[Webhook]:
    return [each for each in list_webhooks(connection, repository_id) if each.is_active]


def count(connection: Connection, repository_id: int) -> int:
    query = select(func.count()).where(webhooks.c.repository_id == repository_id)
    return connection.execute(query).scalar_one()


def switch(connection: Connection, found: Webhook, *, on: bool) -> None:
    connection.execute(update(webhooks).where(webhooks.c.id == found.id).values(is_active=on))


def renew_secret(connection: Connection, found: Webhook, sealer: Sealer) -> str:
    """The new secret; deliveries under way are signed with it from their next attempt on."""
    secret = new_secret()
    connection.execute(
        update(webhooks).where(webhooks.c.id == found.id).values(secret=sealer.seal(secret))
    )
    return secret


def remove(connection: Connection, found: Webhook) -> None:
    """With its deliveries, also those that wait."""
    connection.execute(delete(webhooks).where(webhooks.c.id == found.id))
