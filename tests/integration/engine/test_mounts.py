"""Mounts in all their spellings, through the real docker CLI and our own."""

import json
import subprocess
import uuid
from contextlib import contextmanager

import pytest

from integration.harness import BUSYBOX

pytestmark = pytest.mark.integration


@pytest.fixture
def volume(engine):
    name = f"v-{uuid.uuid4().hex[:8]}"
    engine.docker("volume", "create", name)
    yield name
    engine.docker("volume", "rm", "-f", name)


@pytest.fixture
def filled(engine, volume):
    """A volume with a/b/file, and links that lead out of it."""
    script = "mkdir -p /v/a/b; echo inner > /v/a/b/file; ln -s /etc /v/out; ln -s ../../.. /v/up"
    engine.docker("run", "--rm", "-v", f"{volume}:/v", BUSYBOX, "sh", "-c", script)
    return volume


def mounted(volume, subpath):
    return f"type=volume,src={volume},dst=/m,volume-subpath={subpath}"


def test_subpath_of_a_volume_is_all_that_is_seen(cli, filled):
    words = ("run", "--rm", "--mount", mounted(filled, "a"), BUSYBOX)
    assert cli(*words, "find", "/m").stdout.split() == ["/m", "/m/b", "/m/b/file"]
    words = ("run", "--rm", "--mount", mounted(filled, "a/b/file"), BUSYBOX)
    assert cli(*words, "cat", "/m").stdout == "inner\n"


@pytest.mark.parametrize("subpath", ["out", "up", "out/passwd"])
def test_subpath_cannot_leave_its_volume(cli, filled, subpath):
    done = cli("run", "--rm", "--mount", mounted(filled, subpath), BUSYBOX, "ls", "/m", check=False)
    assert done.returncode != 0 or "passwd" not in done.stdout
    assert "s.sock" not in done.stdout


@pytest.mark.parametrize(
    ("subpath", "message"),
    [
        ("nosuch", "cannot access path"),
        ("/a", "subpath must be a relative path within the volume"),
        ("../x", "subpath must be a relative path within the volume"),
    ],
)
def test_unusable_subpaths_are_refused(cli, filled, subpath, message):
    done = cli("run", "--rm", "--mount", mounted(filled, subpath), BUSYBOX, check=False)
    assert done.returncode in {125, 127}  # 127 for whatever has "no such file" in its text
    assert message in done.stderr


@pytest.mark.parametrize("mode", ["z", "Z", "ro,z", "rw,Z"])
def test_relabelling_is_accepted_and_does_nothing(cli, engine, tmp_path, mode):
    (tmp_path / "file").write_text("here")
    name = f"label-{uuid.uuid4().hex[:8]}"
    words = ("run", "--name", name, "-v", f"{tmp_path}:/m:{mode}", BUSYBOX)
    assert cli(*words, "cat", "/m/file").stdout == "here"
    (found,) = json.loads(engine.docker("inspect", name).stdout)[0]["Mounts"]
    assert (found["Mode"], found["RW"]) == (mode, "ro" not in mode)


@contextmanager
def tmpfs(path, propagation):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "t", path], check=True)
    try:
        subprocess.run(["mount", f"--make-{propagation}", path], check=True)
        yield path
    finally:
        subprocess.run(["umount", "-R", "-l", path], check=True)


@pytest.mark.parametrize(
    ("flag", "seen"),
    [
        ("-v {0}:/m", False),
        ("-v {0}:/m:rprivate", False),
        ("-v {0}:/m:rslave", True),
        ("-v {0}:/m:shared", True),
        ("--mount type=bind,src={0},dst=/m,bind-propagation=rslave", True),
        ("--mount type=bind,src={0},dst=/m,bind-propagation=rprivate", False),
    ],
)
def test_propagation_decides_whether_later_mounts_are_seen(cli, engine, tmp_path, flag, seen):
    with tmpfs(tmp_path / "shared", "shared") as source:
        (source / "sub").mkdir()
        option, value = flag.format(source).split(" ")
        name = cli("run", "-d", option, value, BUSYBOX, "top").stdout.strip()
        subprocess.run(["mount", "-t", "tmpfs", "later", source / "sub"], check=True)
        (source / "sub" / "file").touch()
        found = engine.docker("exec", name, "ls", "/m/sub").stdout
        assert found == ("file\n" if seen else "")
        engine.docker("rm", "-f", name)


def test_shared_mounts_carry_the_containers_mounts_to_the_host(cli, tmp_path):
    with tmpfs(tmp_path / "shared", "shared") as source:
        (source / "sub").mkdir()
        script = "mount -t tmpfs inner /m/sub && touch /m/sub/file && sleep 0.3; ls /m/sub"
        words = ("run", "--rm", "--privileged", "-v", f"{source}:/m:rshared", BUSYBOX)
        assert cli(*words, "sh", "-c", script).stdout == "file\n"
        assert (source / "sub" / "file").exists()


@pytest.mark.parametrize(
    ("mode", "kind"), [("rshared", "shared mount"), ("rslave", "shared or slave mount")]
)
def test_propagation_from_a_private_mount_is_refused(cli, tmp_path, mode, kind):
    with tmpfs(tmp_path / "private", "private") as source:
        (source / "sub").mkdir()
        words = ("run", "--rm", "-v", f"{source}/sub:/m:{mode}", BUSYBOX)
        done = cli(*words, check=False)
        assert done.returncode == 125
        assert f"path {source}/sub is mounted on {source} but it is not a {kind}" in done.stderr


def test_missing_source_is_made_by_v_and_refused_by_mount(cli, tmp_path):
    made, missing = tmp_path / "made" / "deep", tmp_path / "missing"
    cli("run", "--rm", "-v", f"{made}:/m", BUSYBOX, "touch", "/m/file")
    assert (made / "file").exists()
    words = ("--mount", f"type=bind,src={missing},dst=/m", BUSYBOX)
    done = cli("create", *words, check=False)
    assert done.returncode != 0
    text = f'invalid mount config for type "bind": bind source path does not exist: {missing}'
    assert text in done.stderr
    assert "or let -v make the directory" in done.stderr
    assert not missing.exists()


@pytest.mark.parametrize("words", [("-v", "{}:/f:ro"), ("--mount", "type=bind,src={},dst=/f,ro")])
def test_one_file_is_bound_read_only(cli, tmp_path, words):
    file = tmp_path / "file"
    file.write_text("there\n")
    option, value = words
    script = "cat /f; echo > /f"
    mount = (option, value.format(file))
    found = cli("run", "--rm", *mount, BUSYBOX, "sh", "-c", script, check=False)
    assert (found.returncode, found.stdout) == (1, "there\n")
    assert "Read-only file system" in found.stderr


@pytest.mark.parametrize(
    ("option", "writable"),
    [("readonly", False), ("readonly,bind-recursive=writable", True)],
)
def test_read_only_binds_are_so_all_the_way_down(cli, tmp_path, option, writable):
    with tmpfs(tmp_path / "top", "private") as source:
        (source / "sub").mkdir()
        with tmpfs(source / "sub", "private"):
            mount = f"type=bind,src={source},dst=/m,{option}"
            words = ("run", "--rm", "--mount", mount, BUSYBOX, "sh", "-c")
            assert cli(*words, "touch /m/x", check=False).returncode != 0
            done = cli(*words, "touch /m/sub/x", check=False)
            assert (done.returncode == 0) is writable, done.stderr


def test_non_recursive_binds_leave_mounts_below_out(cli, tmp_path):
    with tmpfs(tmp_path / "top", "private") as source:
        (source / "sub").mkdir()
        with tmpfs(source / "sub", "private") as below:
            (below / "file").touch()
            mount = f"type=bind,src={source},dst=/m,bind-recursive=disabled"
            assert cli("run", "--rm", "--mount", mount, BUSYBOX, "ls", "/m/sub").stdout == ""
            words = ("run", "--rm", "-v", f"{source}:/m", BUSYBOX, "ls", "/m/sub")
            assert cli(*words).stdout == "file\n"
