"""What /info and /version say."""

from dataclasses import replace
from pathlib import Path

from sampan.engine.info import EngineFacts, SystemInfo, Tally, backing_filesystem, host_facts
from sampan.wire import codec

FACTS = EngineFacts(
    engine_id="id",
    data_root=Path("/data"),
    cgroup_version="2",
    runtimes={"crun": ("/usr/bin/crun", ("--x",))},
    component_versions={"crun": "1.8.1"},
    insecure_registries=("10.0.0.0/8", "reg:5000"),
)


def system(**tally):
    return SystemInfo(facts=FACTS, host=host_facts(), tally=lambda: Tally(**tally))


def test_counts_add_up():
    info = codec.to_plain(system(running=2, paused=1, stopped=3, images=4).info())
    assert info["Containers"] == 6
    assert info["ContainersRunning"] == 2
    assert info["Images"] == 4


def test_swarm_state_is_inactive_and_never_empty():
    assert codec.to_plain(system().info())["Swarm"]["LocalNodeState"] == "inactive"


def test_registry_configuration_knows_networks_and_hosts():
    config = codec.to_plain(system().info())["RegistryConfig"]
    assert "10.0.0.0/8" in config["InsecureRegistryCIDRs"]
    assert config["IndexConfigs"]["reg:5000"]["Secure"] is False
    assert config["IndexConfigs"]["docker.io"]["Official"] is True


def test_runtimes_are_listed_with_their_arguments():
    info = codec.to_plain(system().info())
    assert info["Runtimes"]["crun"] == {"path": "/usr/bin/crun", "runtimeArgs": ["--x"]}
    assert info["DefaultRuntime"] == "crun"


def test_version_lists_the_engine_first():
    version = codec.to_plain(system().version())
    names = [component["Name"] for component in version["Components"]]
    assert names == ["Engine", "crun"]
    assert version["ApiVersion"] == "1.51"
    assert version["MinAPIVersion"] == "1.24"
    assert version["Os"] == "linux"


def test_backing_filesystem_is_that_of_the_deepest_mount():
    mounts = (
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        "2 1 8:2 / /data rw - xfs /dev/sdb rw\n"
        "3 1 8:3 / /database rw - btrfs /dev/sdc rw\n"
    )
    assert backing_filesystem(mounts, Path("/data/sampan")) == "xfs"
    assert backing_filesystem(mounts, Path("/other")) == "extfs"


def test_apparmor_is_named_where_the_kernel_has_it():
    with_it = SystemInfo(facts=replace(FACTS, apparmor=True), host=host_facts(), tally=Tally)
    assert codec.to_plain(with_it.info())["SecurityOptions"][0] == "name=apparmor"
    assert "name=apparmor" not in codec.to_plain(system().info())["SecurityOptions"]


def test_programs_that_compare_versions_find_a_docker_of_our_api():
    version = codec.to_plain(system().version())
    assert (version["Version"], version["ApiVersion"]) == ("28.3.0+sampan0.1.0", "1.51")
    assert version["Platform"]["Name"] == "Sampan"
    assert codec.to_plain(system().info())["ServerVersion"] == version["Version"]
    major, minor, _ = version["Version"].split(".", 2)  # as scripts take it apart
    assert (int(major), int(minor)) >= (18, 9)
