"""Sockets: who may use them, stale files, taken addresses."""

import os
import socket
import stat

import pytest

from sampan.daemon.listeners import open_listeners
from sampan.errors import InvalidArgument, Unavailable


def test_unix_socket_has_mode_0660_and_goes_away_on_close(tmp_path):
    path = tmp_path / "deep" / "s.sock"
    listeners = open_listeners((f"unix://{path}",), "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert path.stat().st_uid == os.geteuid()
    listeners.close()
    assert not path.exists()


def test_stale_socket_file_is_replaced(tmp_path):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listeners = open_listeners((f"unix://{path}",), "")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listeners.close()


def test_socket_that_is_answered_is_left_alone(tmp_path):
    path = tmp_path / "s.sock"
    first = open_listeners((f"unix://{path}",), "")
    with pytest.raises(Exception, match="is in use by another process"):
        open_listeners((f"unix://{path}",), "")
    assert path.exists()
    first.close()


def test_directory_in_the_way_is_reported(tmp_path):
    with pytest.raises(Unavailable, match="is a directory"):
        open_listeners((f"unix://{tmp_path}",), "")


def test_unknown_group_is_refused_and_nothing_stays(tmp_path):
    path = tmp_path / "s.sock"
    with pytest.raises(InvalidArgument, match="group nosuchgroup not found"):
        open_listeners((f"unix://{path}",), "nosuchgroup")
    assert not path.exists()


def test_numeric_group_owns_the_socket(tmp_path):
    path = tmp_path / "s.sock"
    listeners = open_listeners((f"unix://{path}",), "12345")
    assert path.stat().st_gid == 12345
    listeners.close()


def test_taken_tcp_port_closes_the_others(tmp_path):
    path = tmp_path / "s.sock"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match="bind"):
            open_listeners((f"unix://{path}", f"tcp://127.0.0.1:{port}"), "")
    assert not path.exists()


def test_activation_without_sockets_is_an_error(monkeypatch):
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    with pytest.raises(Unavailable, match="no sockets found via socket activation"):
        open_listeners(("fd://",), "")
