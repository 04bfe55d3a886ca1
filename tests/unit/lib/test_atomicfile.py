import stat
from pathlib import Path

import pytest

from sampan.lib.atomicfile import write_atomic


def test_write_replaces_the_whole_file_with_the_mode_asked(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_text("a long old content")
    write_atomic(target, b"new", mode=0o640)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_failure_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "x").touch()
    with pytest.raises(OSError, match="directory"):
        write_atomic(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
