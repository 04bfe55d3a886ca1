"""Bringing a database to the schema of this program, when the hub starts.

Each part of the hub (registry, accounts, ...) owns its tables and a numbered list of steps. The
table `schema_versions` says how many steps of a part a database has seen:

    part unknown     its tables are created as they are declared now; all its steps count as seen
    fewer than ours  the missing steps run, in order, in one transaction
    more than ours   a newer program wrote it: refused

A step is DDL as literal text (both databases run it in transactions) and is never changed once
it was released: the declared tables say what a new database looks like, the steps how an older
one gets there.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select, update

from sampan.errors import Conflict
from sampan.hub.db.engine import Database
from sampan.lib.log import fields

log = logging.getLogger(__name__)

Step = Callable[[Connection], None]

_metadata = MetaData()
_versions = Table(
    "schema_versions",
    _metadata,
    Column("part", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Tables in the order of their references, and the steps that led to them."""

    name: str
    tables: tuple[Table, ...]
    steps: tuple[Step, ...] = ()


class NewerSchema(Conflict):
    def __init__(self, part: str, found: int, known: int) -> None:
        super().__init__(
            f"the database was written by a newer version of Sampan: {part} is at version "
            f"{found}, this program knows {known}"
        )


def migrate(database: Database, parts: Sequence[Part]) -> None:
    """Create or upgrade the tables of `parts`; later ones may refer to earlier ones."""

    def run(connection: Connection) -> None:
        _metadata.create_all(connection)
        if not database.is_sqlite:
            connection.exec_driver_sql("LOCK TABLE schema_versions IN EXCLUSIVE MODE")
        for part in parts:
            _bring_up(connection, part)

    database.write_now(run)


def _bring_up(connection: Connection, part: Part) -> None:
    found = connection.execute(
        select(_versions.c.version).where(_versions.c.part == part.name)
    ).scalar_one_or_none()
    known = len(part.steps)
    if found is None:
        for table in part.tables:
            table.create(connection)
        connection.execute(insert(_versions).values(part=part.name, version=known))
        return
    if found > known:
        raise NewerSchema(part.name, found, known)
    for number, step in enumerate(part.steps[found:], start=found + 1):
        step(connection)
        log.info(fields("database upgraded", part=part.name, version=number))
    connection.execute(update(_versions).where(_versions.c.part == part.name).values(version=known))
