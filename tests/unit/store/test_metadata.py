import sqlite3
import threading

import pytest

from sampan.errors import NotFound, Unsupported
from sampan.store.metadata import RESERVED_BYTES, Database, Documents


def test_documents_are_kept_by_kind_and_id(tmp_path):
    database = Database(tmp_path / "db")
    one, two = Documents(database, "container"), Documents(database, "network")
    one.put("a", b"1")
    one.put("a", b"2")
    two.put_many({"a": b"n", "b": b"m"})
    database.close()

    database = Database(tmp_path / "db")
    assert Documents(database, "container").all() == [("a", b"2")]
    assert Documents(database, "network").get("b") == b"m"
    database.close()


def test_removing_is_idempotent_and_what_is_gone_is_not_found(database):
    documents = Documents(database, "container")
    documents.put("a", b"1")
    documents.remove("a")
    documents.remove("a")
    with pytest.raises(NotFound):
        documents.get("a")


def test_a_failing_transaction_changes_nothing(database):
    documents = Documents(database, "k")
    with pytest.raises(ZeroDivisionError), database.transaction() as cursor:
        cursor.execute("INSERT INTO documents VALUES ('k', 'a', x'00')")
        raise ZeroDivisionError
    assert documents.all() == []
    documents.put("b", b"")  # and the next one works
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as cursor:
        cursor.execute("INSERT INTO documents VALUES ('k', 'b', x'00')")
    assert [key for key, _ in documents.all()] == ["b"]


def test_threads_may_write_at_the_same_time(database):
    documents = Documents(database, "k")

    def write(start):
        for number in range(start, start + 20):
            documents.put(str(number), b"x")

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(documents.all()) == 60


def test_commits_are_made_durable(database):
    with database.reading() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
        assert cursor.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_file_of_a_newer_program_is_refused(tmp_path):
    Database(tmp_path / "db").close()
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unsupported, match="newer version"):
        Database(tmp_path / "db")


def test_the_log_has_its_blocks_from_the_start(tmp_path):
    """On a full disk things can still be removed."""
    path = tmp_path / "sampan.db"
    database = Database(path)
    log = tmp_path / "sampan.db-wal"
    assert log.stat().st_blocks * 512 >= RESERVED_BYTES
    for number in range(2000):
        Documents(database, "kind").put("id", b"%d" % number)
    assert log.stat().st_size <= 2 * RESERVED_BYTES
    database.close()
    again = Database(path)
    assert Documents(again, "kind").get("id") == b"1999"
    again.close()


def test_the_file_has_free_pages_for_a_full_disk(tmp_path):
    """Written back from the log, records take pages that are there already."""
    path = tmp_path / "db"
    database = Database(path)
    size = path.stat().st_size
    assert size > 1 << 20
    documents = Documents(database, "k")
    for number in range(400):
        documents.put(str(number % 20), b"x" * 5000)
    with database.reading() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert path.stat().st_size == size
    database.close()
