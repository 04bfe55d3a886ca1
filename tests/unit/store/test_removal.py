# ruff: noqa: PTH208 - names are what is compared
import os

import pytest

from sampan.store.removal import remove_tree


def test_trees_deeper_than_any_path_are_removed(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    current = os.open(root, os.O_RDONLY)
    for number in range(2500):
        os.mkdir("directory", dir_fd=current)
        below = os.open("directory", os.O_RDONLY, dir_fd=current)
        if number % 100 == 0:
            os.close(os.open("file", os.O_CREAT, dir_fd=current))
        os.close(current)
        current = below
    os.close(current)
    remove_tree(root)
    assert os.listdir(tmp_path) == []


def test_links_are_removed_and_not_followed(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to("../kept")
    remove_tree(root)
    assert (tmp_path / "kept/file").exists()
    (tmp_path / "link").symlink_to("kept")
    with pytest.raises(OSError):
        remove_tree(tmp_path / "link")
