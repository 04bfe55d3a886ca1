"""Only one daemon for each data root."""

import os
import subprocess

import pytest

from sampan.daemon.claims import DataRootInUse, DataRootLock, PidfileTaken, engine_id, write_pidfile


def test_second_lock_of_a_data_root_names_the_owner(tmp_path):
    lock = DataRootLock(tmp_path / "sampan.lock")
    with pytest.raises(DataRootInUse) as caught:
        DataRootLock(tmp_path / "sampan.lock")
    assert f"pid {os.getpid()}" in caught.value.message
    lock.release()
    DataRootLock(tmp_path / "sampan.lock").release()


def test_pidfile_of_a_dead_process_is_replaced(tmp_path):
    path = tmp_path / "pid"
    done = subprocess.Popen(["/bin/true"])
    done.wait()
    path.write_text(str(done.pid))
    write_pidfile(path)
    assert path.read_text() == str(os.getpid())


def test_pidfile_of_a_living_process_is_respected(tmp_path):
    path = tmp_path / "pid"
    path.write_text("1")
    with pytest.raises(PidfileTaken, match="process with PID 1 is still running"):
        write_pidfile(path)


def test_engine_id_is_made_once(tmp_path):
    first = engine_id(tmp_path / "engine-id")
    assert first == engine_id(tmp_path / "engine-id")
    assert first != engine_id(tmp_path / "other")
