"""Counting pulls without writing to the database for each.

A pull is one GET of a manifest. Counts gather in memory and are written together every few
seconds; a crash loses those of the last seconds, which is all right for a statistic.
"""

import time
from collections import Counter

from sqlalchemy import Connection, update

from sampan.hub.db.engine import Database
from sampan.hub.db.schema import repositories, tags

FLUSH_EVERY_S = 5.0


class PullCounts:
    """`count` is called on the event loop; `flush` by the hub, at intervals and at its end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pulls: Counter[int] = Counter()
        self._tags: dict[tuple[int, str], int] = {}

    def count(self, repository_id: int, tag: str | None) -> None:
        self._pulls[repository_id] += 1
        if tag is not None:
            self._tags[repository_id, tag] = time.time_ns()

    async def flush(self) -> None:
        if not self._pulls:
            return
        pulls, self._pulls = self._pulls, Counter()
        seen, self._tags = self._tags, {}

        def run(connection: Connection) -> None:
            for repository_id, count in pulls.items():
                connection.execute(
                    update(repositories)
                    .where(repositories.c.id == repository_id)
                    .values(pull_count=repositories.c.pull_count + count)
                )
            for (repository_id, name), time_ns in seen.items():
                connection.execute(
                    update(tags)
                    .where(tags.c.repository_id == repository_id, tags.c.name == name)
                    .values(pulled_ns=time_ns)
                )

        await self._database.write(run)
