"""Names of two instances never meet."""

from pathlib import Path

from sampan.daemon.config import Config
from sampan.daemon.instance import derive


def test_default_instance_has_plain_names():
    instance = derive(Config())
    assert (instance.bridge, instance.table) == ("sampan0", "sampan")
    assert instance.cgroup_parent == "/sampan"


def test_other_instances_differ_from_it_and_each_other(tmp_path):
    found = [derive(Config(data_root=path)) for path in (tmp_path / "a", tmp_path / "b")]
    found.append(derive(Config()))
    for name in ("bridge", "table", "veth_prefix", "cgroup_parent", "lock", "database"):
        assert len({getattr(instance, name) for instance in found}) == 3, name


def test_names_fit_the_kernels_limits(tmp_path):
    instance = derive(Config(data_root=tmp_path))
    assert len(instance.bridge) <= 15
    assert len(instance.veth_prefix) <= 8


def test_same_data_root_by_another_path_is_the_same_instance(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    one = derive(Config(data_root=tmp_path / "real"))
    other = derive(Config(data_root=tmp_path / "link"))
    assert one == other


def test_bridge_can_be_named_or_switched_off(tmp_path):
    assert derive(Config(data_root=tmp_path, bridge="br9")).bridge == "br9"
    assert derive(Config(data_root=tmp_path, bridge="none")).bridge == ""


def test_roots_are_absolute():
    assert derive(Config(exec_root=Path("x"))).exec_root.is_absolute()
