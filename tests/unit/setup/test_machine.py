from pathlib import Path
from typing import NamedTuple

import pytest

from sampan.setup import machine
from sampan.setup.findings import Status

NO_CAPABILITY = "CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\n"
ALL_CAPABILITIES = "CapPrm:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n"


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(
    ("release", "status"),
    [("5.10.0-9-amd64", Status.MISSING), ("5.12.1", Status.OK), ("6.1.0-rc2+", Status.OK)],
)
def test_the_kernel_must_be_young_enough(release, status):
    assert machine._kernel(release).status is status


def test_root_in_a_bare_container_is_not_enough(monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    assert machine.privileges(NO_CAPABILITY).status is Status.MISSING
    assert machine.privileges(ALL_CAPABILITIES).status is Status.OK


@pytest.mark.parametrize(
    ("free", "answers", "status"),
    [
        (100 << 30, {"overlay": ""}, Status.OK),
        (100 << 30, {}, Status.OK),
        (100 << 30, {"overlay": "Invalid argument"}, Status.MISSING),
        (2 << 30, {"overlay": ""}, Status.OPTIONAL),
        (1 << 20, {"overlay": ""}, Status.MISSING),
    ],
)
def test_the_disk_needs_overlay_and_room(tmp_path, monkeypatch, free, answers, status):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: Usage(free))
    found = machine.disk_finding(tmp_path / "not/yet", "ext4", answers)
    assert found.status is status
    assert "ext4" in found.found


def test_the_folder_that_exists_is_found(tmp_path):
    assert machine.existing_folder(tmp_path / "a/b") == tmp_path
    assert machine.existing_folder(Path("/")) == Path("/")
