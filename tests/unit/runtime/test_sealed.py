"""Programs in sealed memory."""

import fcntl
import os
import shutil
import subprocess

import pytest

from sampan.runtime.sealed import SEALS, SealedPrograms


@pytest.fixture
def crun(tmp_path):
    return shutil.copy(shutil.which("true"), tmp_path / "crun")


@pytest.fixture
def sealed(tmp_path):
    programs = SealedPrograms(tmp_path / "no-selinux")
    yield programs
    programs.close()


def test_a_copy_is_executable_and_can_never_be_changed(sealed, crun):
    descriptor = sealed.descriptor(crun)
    assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) == SEALS
    assert subprocess.run([f"/proc/{os.getpid()}/fd/{descriptor}"], check=False).returncode == 0
    again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    with pytest.raises(PermissionError):
        os.write(again, b"x")
    os.close(again)


def test_it_is_made_again_only_when_the_program_was_replaced(sealed, crun, tmp_path):
    first = sealed.descriptor(crun)
    before = os.fstat(first).st_ino
    assert sealed.descriptor(crun) == first
    shutil.copy(shutil.which("false"), tmp_path / "new")
    (tmp_path / "new").replace(crun)
    descriptor = sealed.descriptor(crun)
    assert os.fstat(descriptor).st_ino != before
    assert subprocess.run([f"/proc/{os.getpid()}/fd/{descriptor}"], check=False).returncode == 1


def test_scripts_other_runtimes_and_missing_ones_have_none(sealed, crun, tmp_path):
    script = tmp_path / "crun-wrapper"
    script.write_text("#!/bin/sh\n")
    other = shutil.copy(crun, tmp_path / "runc")
    for path in (script, other, tmp_path / "crun-missing"):
        assert sealed.descriptor(str(path)) is None


def test_with_selinux_there_is_none(crun, tmp_path):
    (tmp_path / "enforce").write_text("1")
    assert SealedPrograms(tmp_path / "enforce").descriptor(crun) is None
