import pytest

from sampan.engine.containers import resolve
from sampan.engine.containers.resolve import Defaults, asked_host, complete_host, merge_config
from sampan.errors import InvalidArgument
from sampan.oci.image_config import HealthSpec, ImageRunConfig
from sampan.wire.containers import CreateRequest, HealthConfig, HostSettings, LogSettings

IMAGE = ImageRunConfig(
    User="app",
    Env=["A=image", "B=image"],
    Entrypoint=["/entry"],
    Cmd=["serve"],
    Labels={"a": "image", "b": "image"},
    ExposedPorts={"80/tcp": {}},
    Volumes={"/data": {}},
    WorkingDir="/srv",
    StopSignal="SIGQUIT",
    Healthcheck=HealthSpec(Test=["CMD", "probe"], Interval=5),
)


def merged(**asked):
    return merge_config(CreateRequest(**asked), IMAGE, hostname="host")


def test_what_is_not_asked_comes_from_the_image():
    config = merged()
    assert (config.User, config.WorkingDir, config.StopSignal) == ("app", "/srv", "SIGQUIT")
    assert resolve.argv(config) == ("/entry", "serve")
    assert config.Env == ["A=image", "B=image"]
    assert config.Hostname == "host"
    assert config.Healthcheck == HealthConfig(Test=["CMD", "probe"], Interval=5)


def test_own_variables_and_labels_win_key_by_key():
    config = merged(Env=["B=own", "C=own"], Labels={"b": "own"})
    assert config.Env == ["B=own", "C=own", "A=image"]
    assert config.Labels == {"a": "image", "b": "own"}


def test_ports_and_volumes_are_united():
    config = merged(ExposedPorts={"90/udp": {}}, Volumes={"/own": {}})
    assert set(config.ExposedPorts) == {"80/tcp", "90/udp"}
    assert set(config.Volumes) == {"/data", "/own"}


@pytest.mark.parametrize(
    ("asked", "argv"),
    [
        ({"Cmd": ["x"]}, ("/entry", "x")),
        ({"Entrypoint": ["/own"]}, ("/own",)),
        ({"Entrypoint": ["/own"], "Cmd": ["x"]}, ("/own", "x")),
        ({"Entrypoint": [""], "Cmd": ["x"]}, ("x",)),
        ({"Entrypoint": [], "Cmd": ["x"]}, ("x",)),
    ],
)
def test_entrypoint_and_command_are_dockers(asked, argv):
    assert resolve.argv(merged(**asked)) == argv


def test_nothing_to_run_is_refused():
    with pytest.raises(InvalidArgument, match="no command specified"):
        merge_config(CreateRequest(), ImageRunConfig(), hostname="h")
    with pytest.raises(InvalidArgument, match="no command specified"):
        merge_config(CreateRequest(Entrypoint=[""]), ImageRunConfig(), hostname="h")


def test_a_probe_inherits_member_by_member():
    config = merged(Healthcheck=HealthConfig(Retries=7))
    assert config.Healthcheck == HealthConfig(Test=["CMD", "probe"], Interval=5, Retries=7)


def test_host_settings_are_completed():
    defaults = Defaults(
        runtime="crun", masked_paths=("/proc/kcore",), log_options={"max-file": "2"}
    )
    host = complete_host(HostSettings(Memory=100, PidsLimit=-1, NetworkMode="default"), defaults)
    assert (host.NetworkMode, host.IpcMode, host.Runtime) == ("bridge", "private", "crun")
    assert (host.MemorySwap, host.PidsLimit, host.ShmSize) == (200, None, 64 << 20)
    assert host.LogConfig == LogSettings(Type="json-file", Config={"max-file": "2"})
    assert host.RestartPolicy.Name == "no"
    assert host.MaskedPaths == ["/proc/kcore"]


def test_unconfined_containers_have_no_masks():
    defaults = Defaults(masked_paths=("/proc/kcore",))
    for host in (
        HostSettings(Privileged=True),
        HostSettings(SecurityOpt=["systempaths=unconfined"]),
    ):
        assert complete_host(host, defaults).MaskedPaths is None


def test_runtime_outside_of_host_config_counts_unless_there_is_one_within():
    assert asked_host(CreateRequest(Runtime="runc")).Runtime == "runc"
    both = CreateRequest(Runtime="runc", HostConfig=HostSettings(Runtime="crun"))
    assert asked_host(both).Runtime == "crun"
