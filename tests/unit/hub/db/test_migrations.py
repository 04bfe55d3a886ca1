import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, inspect, select

from sampan.errors import InvalidArgument, Unsupported
from sampan.hub.db.engine import Database, default_url
from sampan.hub.db.migrations import NewerSchema, Part, migrate
from sampan.hub.db.schema import PART, namespaces
from sampan.lib.workers import Workers


@pytest.fixture
def database(tmp_path):
    found = Database(default_url(tmp_path), Workers())
    yield found
    found.close()


def _part(*columns, steps=()):
    table = Table("things", MetaData(), Column("id", Integer, primary_key=True), *columns)
    return Part("things", (table,), steps)


def _columns(database):
    return database.read_now(lambda c: [each["name"] for each in inspect(c).get_columns("things")])


def _add_colour(connection):
    connection.exec_driver_sql("ALTER TABLE things ADD COLUMN colour VARCHAR(9)")


def test_a_new_database_has_the_tables_and_a_second_start_changes_nothing(database):
    migrate(database, [PART])
    migrate(database, [PART])
    names = database.read_now(lambda c: set(inspect(c).get_table_names()))
    assert {table.name for table in PART.tables} <= names


def test_an_old_database_runs_the_missing_steps_once(database):
    migrate(database, [_part()])
    newer = _part(Column("colour", String(9)), steps=(_add_colour,))
    migrate(database, [newer])
    migrate(database, [newer])
    assert _columns(database) == ["id", "colour"]


def test_a_new_database_doesn_t_run_steps(database):
    migrate(database, [_part(Column("colour", String(9)), steps=(_add_colour,))])
    assert _columns(database) == ["id", "colour"]


def test_a_failing_step_leaves_the_database_as_it_was(database):
    def fail(connection):
        _add_colour(connection)
        raise RuntimeError

    migrate(database, [_part()])
    with pytest.raises(RuntimeError):
        migrate(database, [_part(steps=(fail,))])
    assert _columns(database) == ["id"]


def test_a_newer_database_is_refused(database):
    migrate(database, [_part(steps=(_add_colour,))])
    with pytest.raises(NewerSchema):
        migrate(database, [_part()])


def test_writes_exclude_each_other_and_reads_see_whole_ones(database):
    migrate(database, [PART])

    def add(name):
        def run(connection):
            seen = connection.execute(select(namespaces)).all()
            connection.execute(
                insert(namespaces).values(name=name, kind="user", created_ns=len(seen))
            )

        database.write_now(run)

    threads = [threading.Thread(target=add, args=(f"n{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = database.read_now(lambda c: c.execute(select(namespaces.c.created_ns)).scalars().all())
    assert sorted(counts) == list(range(8))


def test_a_write_that_raises_leaves_nothing(database):
    migrate(database, [PART])

    def fail(connection):
        connection.execute(insert(namespaces).values(name="x", kind="user", created_ns=1))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write_now(fail)
    assert database.read_now(lambda c: c.execute(select(namespaces)).all()) == []


def test_other_databases_are_refused():
    with pytest.raises(Unsupported):
        Database("mysql://x/y", Workers())
    with pytest.raises(InvalidArgument):
        Database("nonsense", Workers())


def test_a_registry_of_before_quotas_gets_them(database):
    migrate(database, [Part(PART.name, PART.tables)])
    database.write_now(
        lambda c: c.exec_driver_sql("ALTER TABLE namespaces DROP COLUMN quota_bytes")
    )
    migrate(database, [PART])
    columns = database.read_now(lambda c: inspect(c).get_columns("namespaces"))
    assert "quota_bytes" in {each["name"] for each in columns}
    assert database.read_now(lambda c: c.execute(select(namespaces.c.quota_bytes)).all()) == []
