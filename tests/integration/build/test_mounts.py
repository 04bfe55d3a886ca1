"""RUN --mount with the real client: what steps see, what layers keep, what is left."""

import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def mounted(engine):
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    return [row for row in rows if f"{engine.home}/data/tmp" in row]


def test_bind_shows_the_context_and_other_stages(built, shown):
    built(
        "FROM busybox AS one\nRUN mkdir /d && echo made > /d/f\n"
        "FROM busybox\n"
        "RUN --mount=target=/ctx cat /ctx/sub/a > /a && ! touch /ctx/no 2>/dev/null\n"
        "RUN --mount=type=bind,source=sub/a,target=/deep/er/file cat /deep/er/file > /b\n"
        "RUN --mount=from=one,source=/d,target=/one cat /one/f > /c\n"
        "RUN --mount=from=busybox:latest,source=/etc,target=/e,rw echo x >/e/x && ls /e/x > /e2\n",
        *("-t", "t-bind"),
        files={"sub/a": b"in context\n"},
    )
    assert shown("t-bind", "cat", "/a", "/b", "/c", "/e2") == (
        "in context\nin context\nmade\n/e/x\n"
    )
    gone = shown("t-bind", "sh", "-c", "ls -d /ctx /deep /one /e /e/x 2>/dev/null; true")
    assert gone == ""


def test_content_of_binds_is_part_of_the_key(built):
    dockerfile = "FROM busybox\nRUN --mount=source=f,target=/f cat /f > /out\n"
    built(dockerfile, files={"f": b"1"})
    assert "Using cache" in built(dockerfile, files={"f": b"1", "other": b"x"}).stdout
    assert "Using cache" not in built(dockerfile, files={"f": b"2"}).stdout


def test_writes_to_a_bind_are_thrown_away(built, shown):
    built(
        "FROM busybox\nRUN --mount=target=/ctx,rw echo new > /ctx/f && cp /ctx/f /copy\n"
        "RUN --mount=target=/ctx cat /ctx/f >> /copy\n",
        *("-t", "t-rw"),
        files={"f": b"old\n"},
    )
    assert shown("t-rw", "cat", "/copy") == "new\nold\n"


def test_cache_outlives_builds_and_no_id_escapes(built, shown, engine):
    id_text = "../../../x"
    step = f"RUN --mount=type=cache,target=/c,id={id_text},uid=7,gid=8,mode=0751"
    for number in (1, 2):
        built(
            f"FROM busybox\nARG N={number}\n{step} echo $N >> /c/log; "
            "cp /c/log /log; stat -c '%u %g %a' /c > /stat\n",
            *("-t", "t-cache"),
        )
    assert shown("t-cache", "cat", "/log", "/stat") == "1\n2\n7 8 751\n"
    root = engine.home / "data" / "cache-mounts"
    [folder] = [path for path in root.iterdir() if id_text in (path / "record.json").read_text()]
    assert len(folder.name) == 64
    assert (folder / "0" / "log").read_text() == "1\n2\n"
    assert shown("t-cache", "sh", "-c", "ls -d /c 2>/dev/null; true") == ""


def test_cache_from_a_stage_source_and_read_only(built, shown):
    built(
        "FROM busybox AS seed\nRUN mkdir -p /s && echo seeded > /s/f\n"
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,from=seed,source=s cat /c/f > /a; echo more > /c/g\n"
        "RUN --mount=type=cache,target=/c,from=seed,source=s,ro "
        "cat /c/f /c/g >> /a; touch /c/h 2>/dev/null || echo refused >> /a\n",
        *("-t", "t-seed"),
    )
    assert shown("t-seed", "cat", "/a") == "seeded\nseeded\nmore\nrefused\n"


def test_tmpfs_size_and_no_trace(built, shown):
    built(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t/u,size=64k "
        "df -k /t/u | tail -1 | awk '{print $2}' > /size; echo x > /t/u/x\n",
        *("-t", "t-tmpfs"),
    )
    assert shown("t-tmpfs", "sh", "-c", "cat /size; ls -d /t 2>/dev/null; true") == "64\n"


def test_lent_things_are_optional_unless_required(built):
    step = "FROM busybox\nRUN --mount=type={},id=x{} test ! -e /run/secrets/x\n"
    built(step.format("secret", ""))
    built(step.format("ssh", ""))
    done = built(step.format("secret", ",required"), check=False)
    assert "secret x: not found" in done.stderr
    done = built(step.format("ssh", ",required=true"), check=False)
    assert 'no SSH key "x" forwarded from the client' in done.stderr


def test_a_mount_point_below_a_removed_folder_leaves_no_trace(built, shown):
    """The image's layers hide what lies under them: the mount point is made, and removed."""
    built(
        "FROM busybox\nRUN mkdir -p /d/e && touch /d/e/f\nRUN rm -r /d\n"
        "RUN --mount=type=tmpfs,target=/d/e/m echo x > /d/e/m/x; touch /ran\n",
        *("-t", "t-hidden"),
    )
    assert shown("t-hidden", "sh", "-c", "ls -d /d /ran 2>/dev/null; true") == "/ran\n"


def test_a_link_planted_in_a_cache_leads_nowhere(built, engine):
    """As the source of another step's mount (CVE-2024-23651)."""
    victim = engine.home / "victim"
    victim.mkdir()
    (victim / "secret").write_text("host file\n")
    done = built(
        f"FROM busybox\nRUN --mount=type=cache,target=/c,id=planted ln -sfn {victim} /c/way\n"
        "RUN --mount=type=cache,target=/c,id=planted,source=way cat /c/secret\n",
        check=False,
    )
    assert '"/way": not found' in done.stderr
    assert "host file" not in done.stdout


def test_networks_of_single_steps(built, shown):
    built(
        "FROM busybox\nRUN --network=none ls /sys/class/net > /none\n"
        "RUN --network=default ls /sys/class/net > /default\n",
        *("-t", "t-net"),
    )
    assert shown("t-net", "cat", "/none") == "lo\n"
    assert "eth0" in shown("t-net", "cat", "/default")
    for flag, what in (
        ("--network=host", "network.host"),
        ("--security=insecure", "security.insecure"),
    ):
        done = built(f"FROM busybox\nRUN {flag} true\n", check=False)
        assert f"{what} is not allowed" in done.stderr


def test_nothing_stays_mounted(built, engine, context):
    step = (
        "RUN --mount=target=/a --mount=type=cache,target=/c --mount=type=tmpfs,target=/t "
        "--mount=from=busybox,target=/i"
    )
    built(f"FROM busybox\n{step} true\n")
    assert built(f"FROM busybox\n{step} false\n", check=False).returncode != 0
    assert mounted(engine) == []
    (context / "Dockerfile").write_text(f"FROM busybox\n{step} echo begun; sleep 60\n")
    client = engine.client("build", context)
    _wait_for_sleep(engine)
    client.kill()
    client.wait()
    _wait_until(lambda: not mounted(engine))


def test_a_killed_daemon_leaves_no_mounts_after_its_restart(own_engine, tmp_path):
    engine = own_engine
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=target=/a --mount=type=cache,target=/c,id=kept "
        "echo x > /c/f; sleep 60\n"
    )
    client = engine.client("build", tmp_path)
    _wait_for_sleep(engine)
    engine.restart()
    client.kill()
    client.wait()
    assert mounted(engine) == []
    assert list((engine.home / "data" / "tmp").glob("build-*")) == []
    [kept] = (engine.home / "data" / "cache-mounts").glob("*/0/f")
    assert kept.read_text() == "x\n"


def _wait_for_sleep(engine):
    def sleeping():
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return len(mounted(engine)) > 1 and "sleep 60" in found.stdout

    _wait_until(sleeping)


def _wait_until(what):
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)
