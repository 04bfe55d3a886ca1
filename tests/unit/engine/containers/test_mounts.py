import pytest

from sampan.engine.containers.mounts import parse_bind, plan_mount, plan_mounts, tmpfs_options
from sampan.engine.containers.record import MountPoint
from sampan.errors import InvalidArgument
from sampan.wire.containers import (
    ContainerConfig,
    HostSettings,
    Mount,
    MountBindOptions,
    MountImageOptions,
    MountTmpfsOptions,
    MountVolumeOptions,
)


def test_binds_and_named_and_anonymous_volumes():
    bind = parse_bind("/srv/a/../b:/m:ro")
    assert (bind.type, bind.source, bind.rw, bind.mode) == ("bind", "/srv/b", False, "ro")
    assert (bind.propagation, bind.create_source) == ("rprivate", True)
    named = parse_bind("data:/d")
    assert (named.type, named.name, named.mode, named.own) == ("volume", "data", "z", False)
    assert named.copy_up
    anonymous = parse_bind("/only")
    assert (anonymous.type, anonymous.name, anonymous.own) == ("volume", "", True)
    assert not parse_bind("data:/d:nocopy").copy_up
    assert parse_bind("/a:/b:ro,rslave").propagation == "rslave"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:b", "invalid volume specification: 'a:b': .*'b' mount path must be absolute"),
        ("/a:/b:zz", "invalid mode: zz"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        ("/a:/b:ro:x", "invalid volume specification: '/a:/b:ro:x'"),
        ("/a:/", "destination can't be '/'"),
        ("x:/b:z,ro,rslave", "field BindOptions must not be specified"),
        ("/tmp:/x:nocopy", "field VolumeOptions must not be specified"),
        ("", "invalid volume specification: ''"),
        (":/x", "invalid volume specification: ':/x'"),
    ],
)
def test_bad_binds_are_refused_in_dockerds_words(text, message):
    with pytest.raises(InvalidArgument, match=message):
        parse_bind(text)


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (Mount(Type="zz", Target="/a"), 'type "zz": mount type unknown'),
        (Mount(Type="bind", Target="/a"), "field Source must not be empty"),
        (Mount(Type="bind", Source="rel", Target="/a"), "'rel' mount path must be absolute"),
        (Mount(Type="bind", Source="/t", Target="a"), "'a' mount path must be absolute"),
        (Mount(Type="bind", Source="/t", Target=""), "field Target must not be empty"),
        (Mount(Type="bind", Source="/t", Target="/"), "destination can't be '/'"),
        (
            Mount(Type="bind", Source="/t", Target="/a", VolumeOptions=MountVolumeOptions()),
            "field VolumeOptions must not be specified",
        ),
        (
            Mount(Type="volume", Target="/a", BindOptions=MountBindOptions()),
            "field BindOptions must not be specified",
        ),
        (Mount(Type="tmpfs", Source="x", Target="/a"), "field Source must not be specified"),
        (
            Mount(
                Type="bind",
                Source="/t",
                Target="/a",
                BindOptions=MountBindOptions(Propagation="zz"),
            ),
            "invalid propagation mode: zz",
        ),
        (
            Mount(
                Type="volume",
                Source="v",
                Target="/a",
                VolumeOptions=MountVolumeOptions(Subpath="../x"),
            ),
            "subpath must be a relative path",
        ),
    ],
)
def test_bad_mounts_are_refused_in_dockerds_words(mount, message):
    with pytest.raises(InvalidArgument, match=message):
        plan_mount(mount)


def test_tmpfs_mounts_keep_docker_s_options():
    options = MountTmpfsOptions(SizeBytes=1 << 20, Mode=0o1770)
    point = plan_mount(Mount(Type="tmpfs", Target="/t", TmpfsOptions=options)).point
    assert point.options == ("nosuid", "nodev", "noexec", "mode=1770", "size=1048576")
    assert tmpfs_options("size=2m,exec")[-2:] == ("size=2m", "exec")


def plan(volumes_from=(), **host):
    config = ContainerConfig(Volumes=host.pop("volumes", None))
    return {
        one.point.destination: one.point
        for one in plan_mounts(
            config, HostSettings(VolumesFrom=list(volumes_from), **host), lambda _: DONOR
        )
    }


DONOR = (
    MountPoint("volume", "/shared", name="v1", source="/s/v1", own=True),
    MountPoint("bind", "/conf", source="/etc"),
)


def test_later_kinds_win():
    found = plan(["donor"], Binds=["/x:/conf"], volumes={"/conf": {}, "/extra": {}})
    assert found["/shared"].name == "v1"
    assert found["/conf"].source == "/x"
    assert (found["/extra"].type, found["/extra"].mode) == ("volume", "")


def test_volumes_from_may_be_read_only():
    found = plan(["donor:ro"])
    assert not found["/shared"].rw
    assert not found["/conf"].rw
    with pytest.raises(InvalidArgument, match="invalid mode: zz"):
        plan(["donor:zz"])
    with pytest.raises(InvalidArgument, match="cannot be an empty string"):
        plan([""])


def test_two_mounts_at_one_place_clash():
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /a"):
        plan(Binds=["/x:/a"], Mounts=[Mount(Type="tmpfs", Target="/a")])
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /a"):
        plan(Binds=["/x:/a"], Tmpfs={"/a": ""})
    assert plan(Tmpfs={"/a": ""}, volumes={"/a": {}}) == {}


@pytest.mark.parametrize("path", ["/", "..", "../..", "/x/../.."])
def test_an_image_cannot_declare_its_root_a_volume(path):
    config = ContainerConfig(Volumes={path: {}})
    with pytest.raises(InvalidArgument, match="destination can't be '/'"):
        plan_mounts(config, HostSettings(), lambda name: ())


def test_volumes_of_an_image_are_absolute_and_inside():
    config = ContainerConfig(Volumes={"../data": {}, "/a/../b:x": {}})
    found = plan_mounts(config, HostSettings(), lambda name: ())
    assert [one.point.destination for one in found] == ["/data", "/b"]


def test_an_image_is_mounted_read_only_and_keeps_no_volume_in_use():
    mount = Mount(
        Type="image", Source="busybox", Target="/x", ImageOptions=MountImageOptions(Subpath="bin")
    )
    point = plan_mount(mount).point
    assert (point.type, point.name, point.rw, point.subpath) == ("image", "busybox", False, "bin")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (Mount(Type="image", Target="/x"), "field Source must not be empty"),
        (
            Mount(Type="image", Source="i", Target="/x", TmpfsOptions=MountTmpfsOptions()),
            "field TmpfsOptions must not be specified",
        ),
        (
            Mount(
                Type="image",
                Source="i",
                Target="/x",
                ImageOptions=MountImageOptions(Subpath="a/../../b"),
            ),
            "subpath must be a relative path within the volume",
        ),
    ],
)
def test_image_mounts_that_cannot_be(mount, message):
    with pytest.raises(InvalidArgument, match=message):
        plan_mount(mount)
