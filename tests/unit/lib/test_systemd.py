"""Telling systemd, and doing without it."""

import socket

from sampan.lib.systemd import notify


def test_the_state_reaches_the_socket(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "s"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "s"))
        notify("READY=1")
        assert listener.recv(100) == b"READY=1"


def test_an_abstract_name_begins_with_an_at_sign(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0sampan-notify-test")
        monkeypatch.setenv("NOTIFY_SOCKET", "@sampan-notify-test")
        notify("STOPPING=1")
        assert listener.recv(100) == b"STOPPING=1"


def test_nobody_there_is_no_failure(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nosuch"))
    notify("READY=1")
    assert "systemd not told" in caplog.text
