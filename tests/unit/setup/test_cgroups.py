from pathlib import Path

from sampan.linux.cgroups import CgroupLayout, Version
from sampan.setup.cgroups import cgroup_findings
from sampan.setup.findings import Status

ALL = ("memory", "cpu", "cpuset", "pids", "blkio", "devices", "freezer")


def v1(*names, version=Version.V1, unified=None):
    return CgroupLayout(version, {name: Path("/x") / name for name in names}, unified)


def v2(folder, controllers):
    (folder / "cgroup.controllers").write_text(controllers)
    return CgroupLayout(Version.V2, {}, folder)


def test_version_1_with_all_controllers_is_fine():
    hierarchies, limits = cgroup_findings(v1(*ALL))
    assert (hierarchies.status, hierarchies.found) == (Status.OK, "version 1")
    assert limits.status is Status.OK


def test_version_1_without_devices_is_not():
    hierarchies, _ = cgroup_findings(v1(*(name for name in ALL if name != "devices")))
    assert hierarchies.status is Status.MISSING
    assert "devices" in hierarchies.found


def test_a_controller_that_lacks_names_the_flags_that_need_it(tmp_path):
    hierarchies, limits = cgroup_findings(v2(tmp_path, "cpu cpuset io pids"))
    assert hierarchies.status is Status.OK
    assert (limits.status, limits.found) == (Status.OPTIONAL, "no controller memory")
    assert "--memory" in limits.why


def test_without_a_mount_there_is_no_engine(tmp_path):
    hierarchies, limits = cgroup_findings(CgroupLayout(Version.V2, {}, tmp_path / "none"))
    assert (hierarchies.status, hierarchies.found) == (Status.MISSING, "not mounted")
    assert limits.status is Status.OPTIONAL


def test_on_a_mixture_the_engine_moves_what_version_2_holds(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    layout = v1(
        *(name for name in ALL if name != "memory"), version=Version.HYBRID, unified=tmp_path
    )
    hierarchies, limits = cgroup_findings(layout)
    assert "moves memory to version 1" in hierarchies.found
    assert (hierarchies.status, limits.status) == (Status.OK, Status.OK)
