"""Changes in a tree of folders, told by path."""

from pathlib import Path

from sampan.linux.treewatch import TreeWatch


def seen(tree: TreeWatch) -> set[Path]:
    found = tree.read(5)
    while more := tree.read(0.05):
        found |= more
    return found


def test_files_in_folders_old_and_new_are_told(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with TreeWatch([tmp_path], lambda _path: False) as tree:
        (tmp_path / "old" / "a").write_text("x")
        assert seen(tree) == {tmp_path / "old" / "a"}
        (tmp_path / "new").mkdir()
        assert tmp_path / "new" in seen(tree)
        (tmp_path / "new" / "b").write_text("x")
        assert seen(tree) == {tmp_path / "new" / "b"}
        (tmp_path / "new" / "b").unlink()
        assert seen(tree) == {tmp_path / "new" / "b"}


def test_skipped_folders_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "skipped").mkdir()
    with TreeWatch([tmp_path], lambda path: path.name == "skipped") as tree:
        (tmp_path / "skipped" / "a").write_text("x")
        (tmp_path / "b").write_text("x")
        assert seen(tree) == {tmp_path / "b"}


def test_a_single_file_is_watched_over_its_replacement(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("1")
    with TreeWatch([file], lambda path: path != file) as tree:
        (tmp_path / "fresh").write_text("2")
        (tmp_path / "fresh").rename(file)
        assert seen(tree) == {file}
