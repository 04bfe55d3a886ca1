"""The hub's database: SQLite in the root by default, PostgreSQL by one setting.

    SQLite       WAL, synchronous=FULL: what `write` has returned survives a power cut. One writer:
                 transactions that write begin IMMEDIATE and queue here, not in SQLite.
    PostgreSQL   READ COMMITTED; a transaction lost to a deadlock or a restart is run again.

`read` and `write` take a function of one Connection and run it in a worker thread inside one
transaction. The function holds SQL and decisions only: no files, no network, no awaiting, and it
may run more than once. It commits when it returns and leaves nothing when it raises.
`read_now` and `write_now` are the same for code that is in a thread already.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from sampan.errors import InvalidArgument, Unavailable, Unsupported
from sampan.lib.workers import WORKERS, Workers

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

BUSY_TIMEOUT_S = 30
ATTEMPTS = 4
# serialization_failure, deadlock_detected, admin_shutdown, crash_shutdown
_AGAIN = frozenset({"40001", "40P01", "57P01", "57P02"})
_IMMEDIATE = "sampan_immediate"


class DatabaseUnavailable(Unavailable):
    def __init__(self, error: DBAPIError) -> None:
        super().__init__(f"the database can't be used: {error.orig}")


def default_url(root: Path) -> str:
    return f"sqlite:///{root / 'hub.db'}"


class Database:
    """Owner of the connections. Transactions of one thread don't nest."""

    def __init__(self, url: str, workers: Workers) -> None:
        self._workers = workers
        self._engine = _engine(url)
        self._turn = asyncio.Lock()  # writers wait here without holding a worker thread
        self._writer = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    async def read(self, work: Work[Result]) -> Result:
        return await self._workers.run(self.read_now, work)

    async def write(self, work: Work[Result]) -> Result:
        async with self._turn:
            return await self._workers.run(self.write_now, work)

    def read_now(self, work: Work[Result]) -> Result:
        return self._attempts(work, writes=False)

    def write_now(self, work: Work[Result]) -> Result:
        with self._writer:
            return self._attempts(work, writes=True)

    def _attempts(self, work: Work[Result], *, writes: bool) -> Result:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(work, writes=writes)
            except (OperationalError, InterfaceError) as error:
                if attempt == ATTEMPTS or not _worth_repeating(error):
                    raise DatabaseUnavailable(error) from error
        raise AssertionError

    def _once(self, work: Work[Result], *, writes: bool) -> Result:
        with self._engine.connect() as connection:
            if writes:
                connection = connection.execution_options(**{_IMMEDIATE: True})
            with connection.begin():
                return work(connection)

    def close(self) -> None:
        self._engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise InvalidArgument(f"invalid database URL: {error}") from error
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return _postgresql(parsed.set(drivername="postgresql+psycopg"))
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite(parsed)
    raise Unsupported(
        f"databases of the kind {parsed.drivername} are not supported",
        hint="use sqlite:///PATH or postgresql://USER@HOST/NAME",
    )


def _postgresql(url: sqlalchemy.URL) -> Engine:
    try:
        return sqlalchemy.create_engine(
            url,
            pool_size=WORKERS,
            max_overflow=WORKERS,
            pool_pre_ping=True,
            hide_parameters=True,  # hashes and sealed secrets don't belong in a log's tracebacks
        )
    except ModuleNotFoundError as error:
        raise Unsupported(
            "the driver for PostgreSQL is not installed", hint="pip install 'sampan[postgresql]'"
        ) from error


def _sqlite(url: sqlalchemy.URL) -> Engine:
    engine = sqlalchemy.create_engine(
        url,
        poolclass=sqlalchemy.pool.QueuePool,
        pool_size=WORKERS,
        max_overflow=WORKERS,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin_sqlite` does
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _worth_repeating(error: DBAPIError) -> bool:
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN
