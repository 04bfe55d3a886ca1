"""`run` and what belongs to it, as users type it."""

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_run_prints_output_and_passes_the_exit_status_on(cli):
    done = cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 42", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["busybox", "nosuchcommand"], 127, "executable file not found"),
        (["busybox", "/etc/passwd"], 126, "permission denied"),
        (["--pull", "never", "nosuchimage:nope"], 125, "No such image: nosuchimage:nope"),
        (["BadName"], 125, "invalid reference format"),
        (["-w", "relative", "busybox", "pwd"], 125, "invalid"),
        (["--user", "nosuch", "busybox", "id"], 125, "unable to find user nosuch"),
        (["-m", "1k", "busybox", "true"], 125, "Minimum memory limit allowed is 6MB"),
        (["--cap-add", "NOSUCH", "busybox", "true"], 125, "NOSUCH"),
        (["--nosuchflag", "busybox"], 125, "unknown flag: --nosuchflag"),
        (["--network", "nosuchnet", "busybox", "true"], 125, "network nosuchnet not found"),
        (["--log-opt", "nosuch=1", "busybox", "true"], 125, "unknown log opt"),
        (["--link", "nosuch:x", "busybox", "true"], 125, "ould not get container for nosuch"),
    ],
)
def test_run_refuses_bad_input_with_dockers_status_and_text(cli, argv, status, message):
    done = cli("run", "--rm", *argv, check=False)
    assert done.returncode == status
    assert message in done.stderr
    assert cli("ps", "-aq").stdout == ""


def test_killed_containers_report_128_plus_the_signal(cli):
    cli("run", "-d", "--name", "victim", "busybox", "sleep", "60")
    cli("kill", "victim")
    assert cli("wait", "victim").stdout == "137\n"


def test_stdin_reaches_the_process_to_the_last_byte(cli):
    data = bytes(range(256)) * 12_000
    done = cli("run", "--rm", "-i", "busybox", "wc", "-c", stdin=data)
    assert done.stdout.strip() == str(len(data))


def test_large_output_of_a_short_process_is_complete(cli):
    done = cli("run", "--rm", "busybox", "sh", "-c", "yes 0123456789abcde | head -c 5000000")
    assert len(done.stdout) == 5_000_000


def test_tty_output_has_carriage_returns(cli):
    done = cli("run", "--rm", "-t", "busybox", "sh", "-c", "tty; echo x")
    assert re.fullmatch(r"/dev/(pts/\d+|console)\r\nx\r\n", done.stdout)


def test_environment_comes_from_image_flags_and_files(cli, tmp_path: Path):
    (tmp_path / "vars").write_text("FROM_FILE=one\n# comment\n")
    out = cli(
        *("run", "--rm", "-e", "A=b", "--env-file", tmp_path / "vars", "--hostname", "boxy"),
        *("busybox", "env"),
    ).stdout.split("\n")
    assert {"A=b", "FROM_FILE=one", "HOSTNAME=boxy", "HOME=/root"} <= set(out)
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in out


def test_binds_volumes_and_tmpfs_appear_inside(cli, tmp_path: Path):
    (tmp_path / "data").write_text("from host\n")
    assert cli("run", "--rm", "-v", f"{tmp_path}:/mnt", "busybox", "cat", "/mnt/data").stdout == (
        "from host\n"
    )
    denied = cli(
        "run", "--rm", "-v", f"{tmp_path}:/mnt:ro", "busybox", "touch", "/mnt/x", check=False
    )
    assert denied.returncode == 1
    assert "Read-only file system" in denied.stderr
    cli("run", "--rm", "-v", "keep:/data", "busybox", "sh", "-c", "echo keep > /data/file")
    assert cli("run", "--rm", "-v", "keep:/data", "busybox", "cat", "/data/file").stdout == "keep\n"
    cli("volume", "rm", "keep")
    out = cli("run", "--rm", "--tmpfs", "/scratch:size=2m", "busybox", "mount").stdout
    assert re.search(r"^tmpfs on /scratch type tmpfs \(.*size=2048k", out, re.MULTILINE)


def test_limits_reach_the_cgroup_and_inspect(cli):
    cli("run", "-d", "--name", "small", "-m", "64m", "--cpus", "0.5", "busybox", "sleep", "60")
    facts = json.loads(cli("inspect", "small").stdout)[0]["HostConfig"]
    assert (facts["Memory"], facts["NanoCpus"]) == (64 << 20, 500_000_000)
    done = cli(
        *("run", "--rm", "--pids-limit", "6", "busybox", "sh", "-c"),
        "for i in 1 2 3 4 5 6 7 8 9; do sleep 2 & done; wait",
        check=False,
    )
    assert done.returncode == 2
    assert "fork" in done.stderr


def test_memory_hog_is_reported_as_oom_killed(cli):
    done = cli(
        *("run", "--name", "hog", "-m", "20m", "--memory-swap", "20m", "busybox"),
        *("tail", "/dev/zero"),
        check=False,
    )
    assert done.returncode == 137
    state = json.loads(cli("inspect", "hog").stdout)[0]["State"]
    assert state["OOMKilled"] is True


@pytest.mark.parametrize(
    ("flags", "capabilities"),
    [
        ([], "00000000a80425fb"),
        (["--cap-drop", "ALL"], "0000000000000000"),
        (["--cap-drop", "ALL", "--cap-add", "CHOWN"], "0000000000000001"),
        (["--cap-add", "SYS_ADMIN"], "00000000a82425fb"),
    ],
)
def test_capabilities_are_dockers(cli, flags, capabilities):
    out = cli("run", "--rm", *flags, "busybox", "grep", "CapEff", "/proc/1/status").stdout
    assert capabilities in out


def test_privileged_containers_run_and_may_mount(cli):
    cli("run", "--rm", "--privileged", "busybox", "mount", "-t", "tmpfs", "none", "/tmp")
    denied = cli("run", "--rm", "busybox", "mount", "-t", "tmpfs", "none", "/tmp", check=False)
    assert denied.returncode == 1


def test_hardening_is_on_by_default(cli):
    out = cli(
        *("run", "--rm", "busybox", "sh", "-c"),
        "grep Seccomp: /proc/1/status; wc -c < /proc/interrupts; echo 1 > /proc/sys/kernel/panic",
        check=False,
    )
    assert "Seccomp:\t2" in out.stdout
    assert "\n0\n" in out.stdout
    assert "Read-only file system" in out.stderr


def test_host_files_carry_names_and_flags(cli):
    out = cli(
        *("run", "--rm", "--hostname", "web1", "--add-host", "db.test:10.1.2.3"),
        *("--dns", "9.8.7.6", "--dns-search", "corp.test", "busybox", "sh", "-c"),
        "cat /etc/hostname /etc/hosts /etc/resolv.conf",
    ).stdout
    assert out.startswith("web1\n")
    assert "10.1.2.3\tdb.test\n" in out
    assert "\tweb1\n" in out
    assert "search corp.test\nnameserver 9.8.7.6\n" in out


def test_init_and_read_only_root(cli):
    assert "init" in cli("run", "--rm", "--init", "busybox", "cat", "/proc/1/comm").stdout
    denied = cli("run", "--rm", "--read-only", "busybox", "touch", "/x", check=False)
    assert "Read-only file system" in denied.stderr


def test_name_conflict_names_the_holder(cli):
    first = cli("create", "--name", "taken", "busybox").stdout.strip()
    done = cli("create", "--name", "taken", "busybox", check=False)
    assert 'Conflict. The container name "/taken" is already in use by container' in done.stderr
    assert first in done.stderr


def test_runtime_can_be_chosen(cli):
    runtimes = json.loads(cli("info", "--format", "{{json .Runtimes}}").stdout)
    assert {"crun"} <= set(runtimes)
    unknown = cli("run", "--rm", "--runtime", "nosuch", "busybox", "true", check=False)
    assert unknown.returncode == 125
    assert "nosuch" in unknown.stderr
