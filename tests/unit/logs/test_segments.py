import gzip
from pathlib import Path

from sampan.logs import reader

RECORD = b'{"log":"again\\n","stream":"stdout","time":"2026-01-01T00:00:00.000000001Z"}\n'


def test_files_of_equal_lines_are_told_apart(tmp_path: Path) -> None:
    log = tmp_path / "x-json.log"
    log.write_bytes(RECORD * 30)
    log.with_name("x-json.log.1.gz").write_bytes(gzip.compress(RECORD * 50))
    assert len(list(reader.read(log))) == 80


def test_a_file_seen_in_both_forms_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "x-json.log"
    log.write_bytes(RECORD * 30)
    log.with_name("x-json.log.1.gz").write_bytes(gzip.compress(RECORD * 30))
    assert len(list(reader.read(log))) == 30
