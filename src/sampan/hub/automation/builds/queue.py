"""SQL on builds: the queue and its history.

    pending ----claim----> running --+--> success
       |  ^                  |       |--> failed      the Dockerfile, or the push
       |  `--recover---------'       |--> error       the source or the engine can't be reached
       `------cancel------> cancelled <-'

Durable: what is pending when the hub ends is pending when it starts. A build that was running then
starts again, at most `ATTEMPTS` times in all (it may be what brings the hub down). Of one image's
tag one build runs at a time, the oldest first; one that waits already isn't queued twice.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from sampan.errors import Conflict, NotFound
from sampan.hub.automation.builds.rules import Ref, Rule
from sampan.hub.automation.rows import record_of
from sampan.hub.automation.schema import builds

ATTEMPTS = 3
KEPT = 100  # ended builds per repository
_REASON_MOST = 1024  # of its end: programs say last what was wrong; the log has all


class State(StrEnum):
    PENDING = "pending"
    RUNNING = "in progress"
    SUCCESS = "success"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"


OPEN = (State.PENDING, State.RUNNING)


class Trigger(StrEnum):
    PUSH = "push"
    POLL = "poll"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Build:
    id: int
    repository_id: int
    trigger: str
    requested_by: str
    source_type: str
    source_ref: str
    commit: str
    tag: str
    dockerfile: str
    build_context: str
    build_caching: bool
    state: str
    reason: str
    attempts: int
    cancel_requested: bool
    digest: str
    created_ns: int
    started_ns: int | None
    finished_ns: int | None

    @property
    def ref(self) -> Ref:
        return Ref(self.source_type, self.source_ref)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class BuildNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("no such build")


class BuildEnded(Conflict):
    def __init__(self, state: str) -> None:
        super().__init__(f"the build has ended already: {state}")


def enqueue(
    connection: Connection,
    repository_id: int,
    ref: Ref,
    rule: Rule,
    tag: str,
    *,
    trigger: Trigger,
    commit: str = "",
    who: str = "",
) -> int:
    """The build's id; that of one which waits for the same already, if there is one."""
    waiting = connection.execute(
        select(builds.c.id).where(
            builds.c.repository_id == repository_id,
            builds.c.state == State.PENDING,
            builds.c.source_type == ref.kind,
            builds.c.source_ref == ref.name,
            builds.c.tag == tag,
            builds.c.dockerfile == rule.dockerfile,
            builds.c.build_context == rule.build_context,
        )
    ).first()
    if waiting is not None:
        connection.execute(
            update(builds).where(builds.c.id == waiting.id).values(commit=commit[:64])
        )
        return int(waiting.id)
    made = connection.execute(
        insert(builds).values(
            repository_id=repository_id,
            trigger=trigger.value,
            requested_by=who,
            source_type=ref.kind,
            source_ref=ref.name,
            commit=commit[:64],
            tag=tag,
            dockerfile=rule.dockerfile,
            build_context=rule.build_context,
            build_caching=rule.build_caching,
            state=State.PENDING.value,
            created_ns=time.time_ns(),
        )
    ).inserted_primary_key
    assert made is not None
    _prune(connection, repository_id)
    return int(made.id)


def _prune(connection: Connection, repository_id: int) -> None:
    ended = (
        select(builds.c.id)
        .where(builds.c.repository_id == repository_id, builds.c.state.not_in(OPEN))
        .order_by(builds.c.id.desc())
        .offset(KEPT)
    )
    connection.execute(delete(builds).where(builds.c.id.in_(ended)))


def claim(connection: Connection) -> Build | None:
    """The oldest that may run now becomes `running`."""
    rows = connection.execute(
        select(builds).where(builds.c.state.in_(OPEN)).order_by(builds.c.id)
    ).all()
    busy = {(row.repository_id, row.tag) for row in rows if row.state == State.RUNNING}
    for row in rows:
        if row.state == State.PENDING and (row.repository_id, row.tag) not in busy:
            connection.execute(
                update(builds)
                .where(builds.c.id == row.id)
                .values(
                    state=State.RUNNING.value,
                    attempts=row.attempts + 1,
                    started_ns=time.time_ns(),
                )
            )
            return get(connection, row.id)
    return None


def has_pending(connection: Connection) -> bool:
    query = select(builds.c.id).where(builds.c.state == State.PENDING).limit(1)
    return connection.execute(query).first() is not None


def recover(connection: Connection) -> list[Build]:
    """When the hub starts: builds that were running. Returns those that start again."""
    again = []
    for row in connection.execute(select(builds).where(builds.c.state == State.RUNNING)).all():
        found = record_of(Build, row)
        if found.cancel_requested:
            finish(connection, found.id, State.CANCELLED, "cancelled")
        elif found.attempts >= ATTEMPTS:
            finish(connection, found.id, State.ERROR, f"cut off {ATTEMPTS} times")
        else:
            connection.execute(
                update(builds).where(builds.c.id == found.id).values(state=State.PENDING.value)
            )
            again.append(found)
    return again


def note_commit(connection: Connection, build_id: int, commit: str) -> None:
    connection.execute(update(builds).where(builds.c.id == build_id).values(commit=commit[:64]))


def finish(
    connection: Connection, build_id: int, state: State, reason: str = "", *, digest: str = ""
) -> None:
    """Does nothing to a build that has ended."""
    connection.execute(
        update(builds)
        .where(builds.c.id == build_id, builds.c.state.in_(OPEN))
        .values(
            state=state.value,
            reason=reason[-_REASON_MOST:],
            digest=digest,
            finished_ns=time.time_ns(),
        )
    )


def request_cancel(connection: Connection, found: Build) -> None:
    """One that waits ends here; a running one when its runner hears of it. Raises BuildEnded."""
    if not found.is_open:
        raise BuildEnded(found.state)
    connection.execute(update(builds).where(builds.c.id == found.id).values(cancel_requested=True))
    if found.state == State.PENDING:
        finish(connection, found.id, State.CANCELLED, "cancelled before it began")


def get(connection: Connection, build_id: int, repository_id: int | None = None) -> Build:
    """Raises BuildNotFound, also for another repository's."""
    query = select(builds).where(builds.c.id == build_id)
    if repository_id is not None:
        query = query.where(builds.c.repository_id == repository_id)
    row = connection.execute(query).first()
    if row is None:
        raise BuildNotFound
    return record_of(Build, row)


def list_builds(
    connection: Connection, repository_id: int, *, limit: int = 20, offset: int = 0
) -> tuple[list[Build], int]:
    """One page, newest first, and how many there are."""
    mine = builds.c.repository_id == repository_id
    rows = connection.execute(
        select(builds).where(mine).order_by(builds.c.id.desc()).limit(limit).offset(offset)
    )
    found = [record_of(Build, row) for row in rows]
    total = select(func.count()).select_from(builds).where(mine)
    return found, connection.execute(total).scalar_one()


def known_ids(connection: Connection, ids: Sequence[int]) -> set[int]:
    return set(connection.execute(select(builds.c.id).where(builds.c.id.in_(ids))).scalars())
