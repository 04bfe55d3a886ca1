"""Only one daemon for each data root."""

import os

import pytest

from sampan.daemon.claims import DataRootInUse, DataRootLock, Pidfile, PidfileTaken, engine_id


def test_second_lock_of_a_data_root_names_the_owner(tmp_path):
    lock = DataRootLock(tmp_path / "sampan.lock")
    with pytest.raises(DataRootInUse) as caught:
        DataRootLock(tmp_path / "sampan.lock")
    assert f"pid {os.getpid()}" in caught.value.message
    lock.release()
    DataRootLock(tmp_path / "sampan.lock").release()


def test_stale_pidfile_is_replaced_though_its_pid_is_in_use_again(tmp_path):
    path = tmp_path / "pid"
    path.write_text("1 and more than we write")
    pidfile = Pidfile(path)
    assert path.read_text() == str(os.getpid())
    pidfile.release()
    assert not path.exists()


def test_pidfile_of_a_living_daemon_is_respected(tmp_path):
    path = tmp_path / "pid"
    first = Pidfile(path)
    with pytest.raises(PidfileTaken, match=f"process with PID {os.getpid()} is still running"):
        Pidfile(path)
    first.release()
    Pidfile(path).release()


def test_engine_id_is_made_once(tmp_path):
    first = engine_id(tmp_path / "engine-id")
    assert first == engine_id(tmp_path / "engine-id")
    assert first != engine_id(tmp_path / "other")
