"""What stat says of a file, as an archive's entry."""

import os
import socket
from pathlib import Path

from sampan.lib.fileentry import entry_of, kind_of
from sampan.lib.tarstream import Kind


def test_kinds_sizes_and_modes(tmp_path):
    (tmp_path / "file").write_text("123")
    (tmp_path / "file").chmod(0o4711)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    found = {}
    for path in sorted(tmp_path.iterdir()):
        facts = path.lstat()
        kind = kind_of(facts)
        assert kind is not None
        found[path.name] = entry_of(path.name, facts, kind)
    assert {name: entry.kind for name, entry in found.items()} == {
        "file": Kind.REGULAR,
        "link": Kind.SYMLINK,
        "pipe": Kind.FIFO,
    }
    assert (found["file"].size_bytes, found["file"].mode) == (3, 0o4711)
    assert found["link"].size_bytes == 0  # a link's length is no content


def test_devices_have_their_numbers():
    facts = Path("/dev/null").stat()
    assert entry_of("null", facts, Kind.CHARACTER).device == (1, 3)
    assert kind_of(facts) is Kind.CHARACTER


def test_a_socket_is_nothing(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        assert kind_of((tmp_path / "s").stat()) is None
