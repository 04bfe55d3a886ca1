from typing import Any

import pytest

from sampan.runtime.devices import Device
from sampan.runtime.facts import HostFacts
from sampan.runtime.spec_builder import SpecInput, SpecMount, SpecNamespaces, build_spec
from sampan.wire.containers import HostSettings, Ulimit


def spec(host: HostSettings | None = None, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "host": host or HostSettings(),
        "args": ("true",),
        "env": ("A=b",),
        "rootfs": "/rootfs",
        "facts": HostFacts(),
        "cgroup_path": "/sampan/x",
        "hostname": "box",
        **changes,
    }
    return build_spec(SpecInput(**fields))


def destinations(found: dict[str, Any]) -> list[str]:
    return [mount["destination"] for mount in found["mounts"]]


def test_the_plain_container_has_dockers_defaults():
    found = spec()
    assert found["root"] == {"path": "/rootfs", "readonly": False}
    assert found["hostname"] == "box"
    assert {n["type"] for n in found["linux"]["namespaces"]} == {
        "mount",
        "network",
        "uts",
        "pid",
        "ipc",
    }
    assert found["process"]["capabilities"]["inheritable"] == []
    assert len(found["process"]["capabilities"]["bounding"]) == 14
    assert "/proc/kcore" in found["linux"]["maskedPaths"]
    assert "/proc/sys" in found["linux"]["readonlyPaths"]
    assert found["linux"]["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert found["linux"]["sysctl"]["net.ipv4.ip_unprivileged_port_start"] == "0"
    assert destinations(found)[0] == "/proc"


def test_a_mount_replaces_the_default_at_its_place():
    mount = SpecMount("bind", "/x", "/dev/shm", ("rbind",))
    found = spec(mounts=(mount,))
    assert destinations(found).count("/dev/shm") == 1
    assert found["mounts"][-1]["source"] == "/x"


def test_a_mount_of_dev_drops_the_defaults_below():
    found = spec(mounts=(SpecMount("bind", "/dev", "/dev", ("rbind",)),))
    assert [d for d in destinations(found) if d.startswith("/dev")] == ["/dev"]


@pytest.mark.parametrize(
    ("path", "expected"), [("", "shm"), ("/shared", "/shared"), ("none", None)]
)
def test_shared_memory_is_own_shared_or_missing(path, expected):
    found = {m["destination"]: m["source"] for m in spec(shm_path=path)["mounts"]}
    assert found.get("/dev/shm") == expected


def test_shm_size_is_the_mounts():
    shm = next(m for m in spec(HostSettings(ShmSize=8 << 20))["mounts"] if m["source"] == "shm")
    assert "size=8388608" in shm["options"]


def test_privileged_masks_nothing_and_may_use_every_device():
    found = spec(HostSettings(Privileged=True), seccomp={"defaultAction": "x"})
    assert found["linux"]["maskedPaths"] == []
    assert found["linux"]["readonlyPaths"] == []
    assert "seccomp" not in found["linux"]
    assert found["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    sys = next(m for m in found["mounts"] if m["destination"] == "/sys")
    assert "ro" not in sys["options"]


def test_host_namespaces_are_left_out_and_paths_joined():
    places = SpecNamespaces(network="/run/netns/x", pid="host", uts="host", cgroup="")
    found = spec(namespaces=places)
    kinds = {n["type"]: n.get("path") for n in found["linux"]["namespaces"]}
    assert kinds == {"mount": None, "network": "/run/netns/x", "ipc": None, "cgroup": None}
    assert "hostname" not in found


def test_host_network_keeps_the_hosts_settings():
    assert "sysctl" not in spec(namespaces=SpecNamespaces(network="host"))["linux"]


def test_init_goes_in_front_of_the_command():
    found = spec(init_path="/usr/bin/tini-static")
    assert found["process"]["args"] == ["/sbin/docker-init", "--", "true"]
    assert found["mounts"][-1]["source"] == "/usr/bin/tini-static"


def test_devices_are_made_and_allowed():
    device = Device(
        path="/dev/x", kind="c", major=1, minor=3, mode=0o666, uid=0, gid=0, access="rw"
    )
    found = spec(HostSettings(DeviceCgroupRules=["c 10:* m"]), devices=(device,))
    assert found["linux"]["devices"][0]["path"] == "/dev/x"
    assert found["linux"]["resources"]["devices"][-2:] == [
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"},
        {"allow": True, "type": "c", "access": "m", "major": 10, "minor": -1},
    ]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("no-new-privileges", True),
        ("no-new-privileges:true", True),
        ("no-new-privileges=false", False),
        ("label=disable", False),
    ],
)
def test_no_new_privileges_is_a_security_option(option, expected):
    found = spec(HostSettings(SecurityOpt=[option]))
    assert found["process"]["noNewPrivileges"] is expected


def test_own_ulimits_win_over_the_daemons():
    found = spec(
        HostSettings(Ulimits=[Ulimit(Name="nofile", Soft=1, Hard=2)]),
        default_ulimits=(
            Ulimit(Name="nofile", Soft=8, Hard=9),
            Ulimit(Name="nproc", Soft=3, Hard=4),
        ),
    )
    assert found["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2},
        {"type": "RLIMIT_NPROC", "soft": 3, "hard": 4},
    ]


def test_shared_mounts_open_the_roots_propagation():
    shared = SpecMount("bind", "/a", "/a", ("rbind", "rshared"))
    assert spec(mounts=(shared,))["linux"]["rootfsPropagation"] == "shared"
    assert "rootfsPropagation" not in spec()["linux"]


def test_domainname_is_a_kernel_setting():
    assert spec(domainname="example.org")["linux"]["sysctl"]["kernel.domainname"] == "example.org"


def test_apparmor_goes_to_the_process_where_there_is_a_profile():
    assert spec(HostSettings(), apparmor="mine")["process"]["apparmorProfile"] == "mine"
    assert "apparmorProfile" not in spec(HostSettings())["process"]
