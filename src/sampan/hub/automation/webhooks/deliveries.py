"""SQL on deliveries: from the outbox to a recorded end.

    push_events --collect--> pending --claim--> (an attempt) --record--> delivered
                                ^                                   |--> pending, due later
                                `-----------------------------------'--> failed: given up

A delivery is made in the transaction that takes the event away, so each push gives each webhook
exactly one. `claim` writes the attempt and the time of the next one BEFORE anything is sent:
whatever happens to the process, a delivery is tried again at its time, and never faster than
the schedule says. Only `pending` ones are claimed and only they become `delivered`: after
a recorded success nothing is sent again. A crash between the receiver's answer and its record
leads to another attempt with the same id (at least once).
"""

import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, func, insert, select, update

from sampan.errors import NotFound
from sampan.hub.accounts.standing import repository_of, repository_query
from sampan.hub.automation.outgoing import Outcome
from sampan.hub.automation.rows import record_of
from sampan.hub.automation.schema import (
    build_sources,
    webhook_attempts,
    webhook_deliveries,
    webhooks,
)
from sampan.hub.automation.webhooks.fairness import AT_ONCE, PER_HOST, Waiting
from sampan.hub.automation.webhooks.hooks import Webhook, active_webhooks
from sampan.hub.automation.webhooks.payload import PUSH, TEST, Push, payload_of
from sampan.hub.automation.webhooks.retries import Schedule
from sampan.hub.db.schema import push_events, repositories

PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"
KEPT = 200  # ended deliveries per webhook
EVENTS_AT_ONCE = 200
WAITING_MOST = 1000  # looked at in one round
_INTERRUPTED = "cut off when the hub was stopped"


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    webhook_id: int
    event: str
    tag: str
    payload: str
    state: str
    attempts: int
    created_ns: int
    next_try_ns: int | None
    finished_ns: int | None
    replay_of: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """`latency_ns` None: under way, or cut off."""

    number: int
    started_ns: int
    latency_ns: int | None
    status: int | None
    error: str
    response: str


@dataclass(frozen=True, slots=True)
class Message:
    event: str
    tag: str
    payload: str
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an attempt needs; `secret` is sealed."""

    id: str
    number: int
    event: str
    payload: str
    url: str
    secret: str


class DeliveryNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("no such delivery")


def has_events(connection: Connection) -> bool:
    return connection.execute(select(push_events.c.id).limit(1)).first() is not None


def collect(connection: Connection, base_url: str, now_ns: int) -> int:
    """Take the oldest events out of the outbox. Returns how many there were."""
    events = connection.execute(
        select(push_events).order_by(push_events.c.id).limit(EVENTS_AT_ONCE)
    ).all()
    for event in events:
        hooks = [
            each
            for each in active_webhooks(connection, event.repository_id)
            if each.created_ns <= event.time_ns  # it wasn't there when the tag was pushed
        ]
        if not hooks:
            continue
        payload = payload_for(
            connection,
            event.repository_id,
            Push(event.tag, event.pusher or "", event.time_ns),
            base_url,
        )
        for hook in hooks:
            add(connection, hook.id, Message(PUSH, event.tag, payload), now_ns)
    ids = [event.id for event in events]
    if ids:
        connection.execute(delete(push_events).where(push_events.c.id.in_(ids)))
    return len(ids)


def payload_for(connection: Connection, repository_id: int, push: Push, base_url: str) -> str:
    row = connection.execute(repository_query().where(repositories.c.id == repository_id)).one()
    automated = connection.execute(
        select(build_sources.c.repository_id).where(build_sources.c.repository_id == repository_id)
    ).first()
    return payload_of(repository_of(row), push, base_url=base_url, automated=automated is not None)


def add(connection: Connection, webhook_id: int, message: Message, now_ns: int) -> str:
    """The delivery's id; due at once."""
    delivery_id = str(uuid.uuid4())
    connection.execute(
        insert(webhook_deliveries).values(
            id=delivery_id,
            webhook_id=webhook_id,
            event=message.event,
            tag=message.tag,
            payload=message.payload,
            state=PENDING,
            created_ns=now_ns,
            next_try_ns=now_ns,
            replay_of=message.replay_of,
        )
    )
    _prune(connection, webhook_id)
    return delivery_id


def _prune(connection: Connection, webhook_id: int) -> None:
    ended = (
        select(webhook_deliveries.c.id)
        .where(webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.state != PENDING)
        .order_by(webhook_deliveries.c.created_ns.desc(), webhook_deliveries.c.id)
        .offset(KEPT)
    )
    connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(ended)))


def add_test(connection: Connection, hook: Webhook, who: str, base_url: str) -> str:
    """As if `who` had pushed the tag `test`."""
    now = time.time_ns()
    payload = payload_for(connection, hook.repository_id, Push("test", who, now), base_url)
    return add(connection, hook.id, Message(TEST, "test", payload), now)


def replay(connection: Connection, found: Delivery) -> str:
    """Send the same payload once more, as a delivery of its own: receivers drop known ids."""
    message = Message(found.event, found.tag, found.payload, found.replay_of or found.id)
    return add(connection, found.webhook_id, message, time.time_ns())


def due(connection: Connection, now_ns: int, busy: Collection[str]) -> list[Waiting]:
    """Those to try now: of each webhook and each owner no more than could be tried at once, so
    that whoever has thousands doesn't hide the others."""
    of_hook = func.row_number().over(
        partition_by=webhook_deliveries.c.webhook_id,
        order_by=(webhook_deliveries.c.next_try_ns, webhook_deliveries.c.id),
    )
    inner = (
        select(
            webhook_deliveries.c.id,
            webhook_deliveries.c.next_try_ns,
            webhooks.c.url,
            repositories.c.namespace_id.label("owner_id"),
            of_hook.label("place"),
        )
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .join(repositories, repositories.c.id == webhooks.c.repository_id)
        .where(webhook_deliveries.c.state == PENDING, webhook_deliveries.c.next_try_ns <= now_ns)
        .where(webhook_deliveries.c.id.not_in(busy))
        .subquery()
    )
    of_owner = func.row_number().over(
        partition_by=inner.c.owner_id, order_by=(inner.c.place, inner.c.next_try_ns)
    )
    first = select(inner, of_owner.label("turn")).where(inner.c.place <= PER_HOST).subquery()
    query = (
        select(first)
        .where(first.c.turn <= AT_ONCE)
        .order_by(first.c.turn, first.c.next_try_ns)
        .limit(WAITING_MOST)
    )
    rows = connection.execute(query).all()
    found = sorted(rows, key=lambda row: row.next_try_ns)
    return [Waiting(row.id, urlsplit(row.url).netloc.lower(), row.owner_id) for row in found]


def next_due_ns(connection: Connection) -> int | None:
    query = select(func.min(webhook_deliveries.c.next_try_ns)).where(
        webhook_deliveries.c.state == PENDING
    )
    found: int | None = connection.execute(query).scalar_one()
    return found


def claim(
    connection: Connection, delivery_id: str, now_ns: int, schedule: Schedule, chance: float
) -> Claimed | None:
    """Begin an attempt. None: it isn't to be sent (any more)."""
    row = connection.execute(
        select(webhook_deliveries, webhooks.c.url, webhooks.c.secret)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.state == PENDING)
    ).first()
    if row is None or row.next_try_ns > now_ns:
        return None
    number = row.attempts + 1
    if number > schedule.attempts:
        _set(connection, delivery_id, state=FAILED, next_try_ns=None, finished_ns=now_ns)
        return None
    pause_ns = schedule.pause_ns(number, chance)
    _set(connection, delivery_id, attempts=number, next_try_ns=now_ns + pause_ns)
    connection.execute(
        insert(webhook_attempts).values(delivery_id=delivery_id, number=number, started_ns=now_ns)
    )
    return Claimed(delivery_id, number, row.event, row.payload, row.url, row.secret)


def record(
    connection: Connection, claimed: Claimed, outcome: Outcome, now_ns: int, schedule: Schedule
) -> None:
    """The attempt's end; does nothing if the webhook was removed meanwhile."""
    connection.execute(
        update(webhook_attempts)
        .where(
            webhook_attempts.c.delivery_id == claimed.id,
            webhook_attempts.c.number == claimed.number,
        )
        .values(
            latency_ns=outcome.latency_ns,
            status=outcome.status or None,
            error=outcome.error[:255],
            response=outcome.response,
        )
    )
    if outcome.succeeded:
        _set(connection, claimed.id, state=DELIVERED, next_try_ns=None, finished_ns=now_ns)
    elif claimed.number >= schedule.attempts:
        _set(connection, claimed.id, state=FAILED, next_try_ns=None, finished_ns=now_ns)


def _set(connection: Connection, delivery_id: str, **values: object) -> None:
    connection.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.state == PENDING)
        .values(**values)
    )


def note_interrupted(connection: Connection) -> None:
    """When the hub starts: attempts without an end were cut off."""
    connection.execute(
        update(webhook_attempts)
        .where(webhook_attempts.c.latency_ns.is_(None), webhook_attempts.c.error == "")
        .values(error=_INTERRUPTED)
    )


def list_deliveries(
    connection: Connection, webhook_id: int, *, limit: int = 25, offset: int = 0
) -> tuple[list[Delivery], int]:
    """One page, newest first, and how many there are."""
    mine = webhook_deliveries.c.webhook_id == webhook_id
    rows = connection.execute(
        select(webhook_deliveries)
        .where(mine)
        .order_by(webhook_deliveries.c.created_ns.desc(), webhook_deliveries.c.id)
        .limit(limit)
        .offset(offset)
    )
    found = [record_of(Delivery, row) for row in rows]
    total = select(func.count()).select_from(webhook_deliveries).where(mine)
    return found, connection.execute(total).scalar_one()


def get(connection: Connection, webhook_id: int, delivery_id: str) -> Delivery:
    """Raises DeliveryNotFound."""
    row = connection.execute(
        select(webhook_deliveries).where(
            webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.webhook_id == webhook_id
        )
    ).first()
    if row is None:
        raise DeliveryNotFound
    return record_of(Delivery, row)


def list_attempts(connection: Connection, delivery_ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """By delivery, in order."""
    found: dict[str, list[Attempt]] = {each: [] for each in delivery_ids}
    rows = connection.execute(
        select(webhook_attempts)
        .where(webhook_attempts.c.delivery_id.in_(delivery_ids))
        .order_by(webhook_attempts.c.number)
    )
    for row in rows:
        attempt = record_of(Attempt, row)
        found[row.delivery_id].append(attempt)
    return found
