"""`docker build` with the real client: what comes out, what is said, what is left."""

import io
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def build(engine, tmp_path):
    """build(dockerfile, *options, files={...}) -> CompletedProcess"""

    def run(dockerfile, *options, files=None, check=True):
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        for name, content in (files or {}).items():
            path = context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return engine.docker("build", *options, context, check=check)

    return run


def snapshots_in_use(engine):
    return [
        row
        for row in Path("/proc/self/mountinfo").read_text().splitlines()
        if f"{engine.home}/data/tmp" in row
    ]


def scratch(engine):
    return [path.name for path in (engine.home / "data" / "tmp").glob("build-*")]


def test_steps_cache_and_tags(build, engine):
    dockerfile = 'FROM busybox\nCOPY f /dst/\nRUN cat /dst/f > /out\nCMD ["cat", "/out"]\n'
    first = build(dockerfile, "-t", "t-basic", "-t", "t-basic:two", files={"f": b"ctx\n"})
    assert "Step 4/4 : CMD" in first.stdout
    assert "Using cache" not in first.stdout
    assert first.stdout.endswith(
        "Successfully tagged t-basic:latest\nSuccessfully tagged t-basic:two\n"
    )
    assert engine.docker("run", "--rm", "t-basic").stdout == "ctx\n"
    second = build(dockerfile, "-t", "t-basic", files={"f": b"ctx\n"})
    assert second.stdout.count("---> Using cache") == 3
    changed = build(dockerfile, "-q", files={"f": b"other\n"})
    assert changed.stdout.startswith("sha256:")
    assert engine.docker("run", "--rm", changed.stdout.strip()).stdout == "other\n"


@pytest.mark.parametrize(
    "change",
    [
        "HEALTHCHECK CMD true",
        "HEALTHCHECK --interval=5s CMD true",
        "ONBUILD RUN true",
        "LABEL a=b",
        "EXPOSE 81",
        "STOPSIGNAL 9",
        "USER root",
    ],
)
def test_every_instruction_counts_for_the_cache(build, change):
    one = build(f"FROM busybox\n{change}\nRUN echo x > /x\n", "-q").stdout
    assert build(f"FROM busybox\n{change}\nRUN echo x > /x\n", "-q").stdout == one
    assert build("FROM busybox\nEXPOSE 80\nRUN echo x > /x\n", "-q").stdout != one


def test_cache_from_narrows_the_cache(build):
    dockerfile = "FROM busybox\nENV FOO=bar\nRUN touch /baz\nRUN touch /bax\n"
    build(dockerfile, "-t", "t-from")
    assert build(dockerfile, "--cache-from", "t-from").stdout.count("Using cache") == 3
    assert "Using cache" not in build(dockerfile, "--cache-from", "nosuch").stdout


def test_arguments_environment_labels(build, engine):
    done = build(
        "ARG TAG=latest\nFROM busybox:$TAG\nARG who=nobody\nARG other\n"
        'ENV GREET="hello $who" TWO=${other:-dflt}\nWORKDIR /w/$who\nUSER 1000:1000\n'
        'RUN echo $who\nENTRYPOINT ["sh", "-c"]\nCMD ["pwd; id -u; echo $GREET $TWO"]\n',
        *("--build-arg", "who=me", "--build-arg", "nosuch=1", "--label", "extra=1"),
        *("-t", "t-args"),
    )
    assert "[Warning] One or more build-args [nosuch] were not consumed" in done.stdout
    assert engine.docker("run", "--rm", "t-args").stdout == "/w/me\n1000\nhello me dflt\n"
    history = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", "t-args").stdout
    assert "|1 who=me /bin/sh -c echo $who\n" in history
    assert history.startswith("/bin/sh -c #(nop)  LABEL extra=1\n")


def test_stages(build, engine):
    dockerfile = (
        "FROM busybox AS one\nRUN echo made > /artifact\nFROM busybox AS unused\nRUN false\n"
        "FROM busybox\nCOPY --from=one /artifact /got\nCOPY --from=busybox:latest /etc/passwd /pw\n"
    )
    build(dockerfile, "-t", "t-stages")
    assert engine.docker("run", "--rm", "t-stages", "cat", "/got").stdout == "made\n"
    build(dockerfile, "-t", "t-stages:one", "--target", "ONE")
    found = engine.docker("run", "--rm", "t-stages:one", "ls", "/got", check=False)
    assert found.returncode == 1


def test_triggers_run_in_the_child_only(build, engine):
    build("FROM busybox\nONBUILD RUN echo triggered > /trig\n", "-t", "t-onbuild")
    done = build("FROM t-onbuild\n", "-t", "t-child")
    assert "# Executing 1 build trigger\n" in done.stdout
    assert engine.docker("run", "--rm", "t-child", "cat", "/trig").stdout == "triggered\n"
    image = engine.docker("inspect", "-f", "{{json .Config.OnBuild}}", "t-child").stdout
    assert image == "null\n"


def test_copy_add_owner_mode_and_ignored_files(build):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("inner"))
    done = build(
        "FROM busybox\nADD a.tar.gz /unpacked/\nCOPY a.tar.gz /kept\n"
        "COPY --chown=7:8 --chmod=640 f /o\n"
        "COPY <<EOF /here\nhello\nEOF\nCOPY . /ctx\n"
        "RUN stat -c '%u:%g %a' /o; ls /unpacked; test -f /kept; cat /here; "
        "find /ctx -type f | sort\n",
        files={
            "a.tar.gz": archive.getvalue(),
            "f": b"",
            "x.log": b"",
            "sub/y.log": b"",
            ".dockerignore": b"*.log\nDockerfile\n.dockerignore\na.tar.gz\n!a.tar.gz\n",
        },
    )
    assert "7:8 640\ninner\nhello\n/ctx/a.tar.gz\n/ctx/f\n/ctx/sub/y.log\n" in done.stdout


def test_step_sees_hosts_shm_and_no_network(build):
    done = build(
        "FROM busybox\nRUN cat /etc/hosts; df -k /dev/shm; ls /sys/class/net\n",
        *("--add-host", "h.test:10.9.8.7", "--shm-size", "4m", "--network", "none"),
    )
    assert "10.9.8.7\th.test\n" in done.stdout
    assert " 4096 " in done.stdout
    assert "eth0" not in done.stdout


def test_mount_points_do_not_become_layers(build, engine):
    build("FROM busybox\nRUN true\nRUN echo x > /x\n", "-t", "t-layers", "--no-cache")
    sizes = engine.docker("history", "--format", "{{.Size}} {{.CreatedBy}}", "t-layers").stdout
    assert sizes.splitlines()[0].startswith("2B ")
    layers = engine.docker("inspect", "-f", "{{len .RootFS.Layers}}", "t-layers").stdout
    base = engine.docker("inspect", "-f", "{{len .RootFS.Layers}}", "busybox").stdout
    assert int(layers) == int(base) + 1


def test_deletions_and_replaced_directories(build):
    done = build(
        "FROM busybox\nRUN echo a > /a; mkdir /d; echo b > /d/x\n"
        "RUN rm /a; rm -r /d; mkdir /d; echo c > /d/y\nRUN ls -d /a /d/*; true\n"
    )
    assert "/d/y\n" in done.stdout
    assert "\n/d/x\n" not in done.stdout


FAILURES = [
    (
        "FROM busybox\nRUN exit 9\n",
        9,
        "The command '/bin/sh -c exit 9' returned a non-zero code: 9",
    ),
    ("FROM busybox\nBOGUS x\n", 1, "dockerfile parse error line 2: unknown instruction: BOGUS"),
    ("FROM busybox\nCOPY missing /\n", 1, "stat missing: file does not exist"),
    ("# nothing\n", 1, "file with no instructions"),
    ("RUN true\n", 1, "no build stage in current context"),
    ('FROM busybox\nRUN ["nosuch"]\n', 1, "executable file not found in $PATH"),
    ("FROM busybox\nUSER nosuch\nRUN true\n", 1, "unable to find user nosuch"),
    ("FROM scratch\n", 1, "No image was generated. Is your Dockerfile empty?"),
    (
        "FROM busybox\nRUN --mount=type=secret,id=x,required true\n",
        1,
        "secret x: not found",
    ),
]


@pytest.mark.parametrize(("dockerfile", "code", "text"), FAILURES)
def test_failure_says_why_and_leaves_nothing(build, engine, dockerfile, code, text):
    before = engine.docker("images", "-aq").stdout
    done = build(dockerfile, "--no-cache", check=False)
    assert done.returncode == code
    assert text in done.stderr
    if "USER" not in dockerfile:  # steps before the failure stay, as the cache
        assert engine.docker("images", "-aq").stdout == before
    assert snapshots_in_use(engine) == []
    assert scratch(engine) == []


def test_client_that_leaves_ends_the_step(engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo begun; sleep 7531\n")
    client = subprocess.Popen(
        ["docker", "-H", engine.host, "build", "--no-cache", tmp_path],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_BUILDKIT": "0", "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    for line in client.stdout:
        if line == b"begun\n":
            break
    client.kill()
    client.wait()
    client.stdout.close()
    deadline = time.monotonic() + 10
    while _sleeping() or snapshots_in_use(engine) or scratch(engine):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _sleeping():
    found = subprocess.run(["pgrep", "-f", "sleep 7531$"], capture_output=True, check=False)
    return found.stdout.split()


def test_killed_daemon_leaves_no_step_behind(own_engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo ok > /ok\nRUN sleep 8642\n")
    client = subprocess.Popen(
        ["docker", "-H", own_engine.host, "build", tmp_path],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_BUILDKIT": "0", "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not subprocess.run(
        ["pgrep", "-f", "sleep 8642$"], capture_output=True, check=False
    ).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    own_engine.restart()
    client.wait()
    assert not subprocess.run(
        ["pgrep", "-f", "sleep 8642$"], capture_output=True, check=False
    ).stdout
    assert snapshots_in_use(own_engine) == []
    assert scratch(own_engine) == []
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo ok > /ok\n")
    assert own_engine.docker("build", "-q", tmp_path).stdout.startswith("sha256:")
