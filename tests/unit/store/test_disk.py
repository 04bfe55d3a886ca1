"""Disk space is what `du` says."""

import os
import subprocess

from sampan.store.disk import allocated_bytes


def du(path):
    done = subprocess.run(["du", "-s", "-B1", path], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def test_agrees_with_du_on_a_tree_of_all_kinds(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "deep" / "er" / "link").hardlink_to(tmp_path / "deep" / "file")
    (tmp_path / "symlink").symlink_to("deep")
    for number in range(50):
        (tmp_path / f"small{number}").write_text("x")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    os.mkfifo(tmp_path / "fifo")
    os.sync()
    assert allocated_bytes(tmp_path) == du(tmp_path)


def test_empty_directory_counts_nothing_below(tmp_path):
    assert allocated_bytes(tmp_path, below_only=True) == 0


def test_file_is_measured_alone_and_a_missing_one_is_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 5000)
    os.sync()
    assert allocated_bytes(tmp_path / "file") == du(tmp_path / "file")
    assert allocated_bytes(tmp_path / "none") == 0
