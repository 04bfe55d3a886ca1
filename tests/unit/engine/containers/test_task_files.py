from dataclasses import replace

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.task_files import TaskFiles, log_target
from sampan.runtime.runtimes import OciRuntime, Runtimes
from sampan.wire.containers import HostSettings, LogSettings
from unit.engine.containers.samples import container


def logged(driver="json-file", **options):
    settings = LogSettings(
        Type=driver, Config={key.replace("_", "-"): v for key, v in options.items()}
    )
    one = container(host=HostSettings(LogConfig=settings), Env=["A=1", "B=2"], Labels={"l": "x"})
    return replace(one, log_path="/logs/x.log")


def test_log_options_become_rotation_and_attributes():
    target = log_target(logged(max_size="10k", max_file="3", env="A", labels="l", tag="{{.Name}}"))
    assert (target.max_size_bytes, target.max_files) == (10_000, 3)
    assert target.attrs == {"A": "1", "l": "x", "tag": "box"}


def test_no_log_driver_means_no_file():
    assert log_target(logged("none")) is None


def test_a_task_finds_its_folders_and_runtime(tmp_path):
    paths = ContainerPaths(tmp_path / "data", tmp_path / "exec", "/sampan-x")
    runtimes = Runtimes({"own": OciRuntime("own", "/bin/own", ("--x",))})
    one = container(host=HostSettings(Runtime="own", CgroupParent="/mine"), Tty=True)
    spec = TaskFiles(paths=paths, runtimes=runtimes).spec(one)
    assert (spec.runtime_path, spec.runtime_args, spec.terminal) == ("/bin/own", ("--x",), True)
    assert spec.cgroup_path == f"/mine/{one.id}"
    assert spec.state_dir == tmp_path / "exec" / "tasks" / one.id
