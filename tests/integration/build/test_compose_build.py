"""`docker compose build` with the real program, which builds over BuildKit's protocol only."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from integration.harness import ROOT

pytestmark = pytest.mark.integration


def compose_program():
    program = ROOT / ".cache/tools/docker-compose"
    assert program.exists(), "no Docker Compose: run scripts/setup --tests"
    return program


class Project:
    """One compose project in a directory of its own."""

    def __init__(self, engine, path):
        self.engine = engine
        self.path = path

    def write(self, **files):
        for name, content in files.items():
            path = self.path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def start(self, *args):
        return subprocess.Popen(
            [compose_program(), "--progress=plain", *args],
            cwd=self.path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.path),
                "DOCKER_HOST": self.engine.host,
                "DOCKER_CONFIG": str(self.path / ".docker"),
                "COMPOSE_PROJECT_NAME": self.name,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def name(self):
        return f"p{self.path.name[-20:].lower()}".replace("_", "-").replace("]", "")

    def run(self, *args, check=True):
        """(exit status, what it said)"""
        process = self.start(*args)
        said = process.communicate(timeout=60)[0]
        assert not check or process.returncode == 0, said
        return process.returncode, said

    def dockerfile(self, text):
        self.write(Dockerfile=text, compose_yaml="services:\n  app:\n    build: .\n")

    def build(self, text, *, check=True):
        self.dockerfile(text)
        return self.run("build", check=check)

    def show(self, *command, service="app"):
        return self.engine.docker("run", "--rm", f"{self.name}-{service}", *command).stdout


@pytest.fixture
def project(engine, tmp_path):
    return Project(engine, tmp_path)


def scratch(engine):
    return [path.name for path in (engine.home / "data" / "tmp").glob("build-*")]


def test_arguments_labels_and_the_context_arrive(project, engine):
    project.write(
        compose_yaml="""
services:
  app:
    build:
      context: ./app
      dockerfile: My.Dockerfile
      target: one
      args: {A: two}
      labels: {l: 'yes'}
      extra_hosts: ["h.test:1.2.3.4"]
      tags: ["other:tag"]
""",
        app__msg="from build\n",
        app__junk_log="junk\n",
        app___dockerignore="*.log\n",
    )
    project.path.joinpath("app/My.Dockerfile").write_text(
        "FROM busybox AS one\nARG A\nENV A=$A\nCOPY . /x/\nRUN cp /etc/hosts /hosts\n"
        "CMD echo $(cat /x/msg) $A\nFROM one\nRUN false\n"
    )
    said = project.run("build")[1]
    assert re.search(r"\[app one 1/3\] FROM busybox AS one", said)
    assert re.search(r"#\d+ \[app one 3/3\] RUN cp", said)
    assert re.search(r"naming to \S*other:tag done", said)
    assert project.show() == "from build two\n"
    assert project.show("ls", "/x") == "My.Dockerfile\nmsg\n"
    assert "1.2.3.4\th.test" in project.show("cat", "/hosts")
    labels = engine.docker("inspect", "-f", "{{.Config.Labels.l}}", "other:tag").stdout
    assert labels == "yes\n"


def test_a_second_build_is_cached(project):
    text = "FROM busybox\nRUN echo once > /once\nCOPY Dockerfile /\n"
    project.build(text)
    assert project.build(text)[1].count(" CACHED") == 2
    assert " CACHED" not in project.run("build", "--no-cache")[1]


def test_output_of_programs_comes_while_they_run(project):
    project.dockerfile("FROM busybox\nRUN echo early; echo late >&2; sleep 20\n")
    process = project.start("build")
    started = time.monotonic()
    for line in process.stdout:
        if re.search(r"^#\d+ [\d.]+ late$", line):
            break
    assert time.monotonic() - started < 15
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_cancelled_build_leaves_nothing(project, engine, number):
    project.dockerfile(f"FROM busybox\nRUN echo {number} && sleep 61.{number}\n")
    process = project.start("build")
    for line in process.stdout:
        if re.search(rf"^#\d+ [\d.]+ {int(number)}$", line):
            break
    process.send_signal(number)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while (left := [*scratch(engine), *sleepers(f"61.{number}")]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def sleepers(argument):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", argument.encode()]:
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        (
            "FROM busybox\nRUN echo out; exit 3\n",
            'process "/bin/sh -c echo out; exit 3" did not complete successfully: exit code: 3',
        ),
        (
            "FROM busybox\nFOO bar\n",
            "failed to solve: dockerfile parse error on line 2: unknown instruction: FOO",
        ),
        ("FROM busybox\nCOPY nope /\n", "stat nope: file does not exist"),
        ("FROM busybox AS a\nRUN x ${d:?needed}\nENV c=${d:?needed}\n", "d: needed"),
        ("", "failed to solve: the Dockerfile (Dockerfile) cannot be empty"),
        ("FROM 127.0.0.1:1/nope\n", "connection refused"),
    ],
)
def test_failures_are_told_in_buildkits_words(project, engine, dockerfile, message):
    status, said = project.build(dockerfile, check=False)
    assert status in {1, 17}
    assert message in said
    assert not scratch(engine)


def test_a_missing_dockerfile(project):
    project.write(compose_yaml="services:\n  app:\n    build: .\n")
    status, said = project.run("build", check=False)
    assert status in {1, 17}
    assert "failed to read dockerfile: open Dockerfile: no such file or directory" in said


def test_only_named_paths_are_sent(project):
    project.write(wanted__f="x\n", unwanted="y" * 3_000_000)
    said = project.build("FROM busybox\nCOPY wanted /w\n")[1]
    assert re.search(r"transferring context: \d+B", said), said
    assert project.show("cat", "/w/f") == "x\n"


def test_all_kinds_of_files_survive(project):
    files = project.path / "in"
    files.mkdir()
    (files / "big").write_bytes(os.urandom(3_000_000))
    (files / "empty").touch()
    (files / "exec").write_text("#!/bin/sh\n")
    (files / "exec").chmod(0o4755)
    (files / "link").symlink_to("exec")
    (files / "hard").hardlink_to(files / "big")
    (files / "ünï code").write_text("u\n")
    os.utime(files / "empty", (1_000_000_000, 1_000_000_000))
    project.build("FROM busybox\nCOPY in /in\n")
    listed = project.show("sh", "-c", "cd /in; stat -c '%n %a %F %Y' empty exec; readlink link")
    assert listed == (
        "empty 644 regular empty file 1000000000\n"
        f"exec 4755 regular file {int((files / 'exec').stat().st_mtime)}\nexec\n"
    )
    assert project.show("sh", "-c", "cmp /in/big /in/hard && cat '/in/ünï code'") == "u\n"
    digest = subprocess.run(
        ["sha256sum", files / "big"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert project.show("sha256sum", "/in/big").split()[0] == digest


def test_other_contexts_and_other_builds_as_inputs(project):
    project.write(
        compose_yaml="""
services:
  base: {build: ./base}
  app:
    build:
      context: .
      additional_contexts:
        base: service:base
        extra: ./extra
        busy: docker-image://busybox
""",
        base__Dockerfile="FROM busybox\nENV FROM_BASE=1\nRUN echo base > /based\n",
        extra__file="extra\n",
        Dockerfile="FROM base\nCOPY --from=extra file /f\nCOPY --from=busy /bin/busybox /b\n"
        "COPY --from=base /based /g\nCMD cat /f /g; echo $FROM_BASE\n",
    )
    project.run("build")
    assert project.show() == "extra\nbase\n1\n"


def test_up_builds(project):
    project.write(
        compose_yaml="""
services:
  app:
    build:
      dockerfile_inline: |
        FROM busybox
        RUN echo built > /f
        CMD ["cat", "/f"]
"""
    )
    status, said = project.run("up", "--build", "--abort-on-container-exit")
    assert status == 0
    assert "built" in said
    project.run("down", "--rmi", "local")


def test_many_services_at_once(project):
    services = "".join(
        f"  s{number}: {{build: {{context: ., args: {{N: '{number}'}}}}}}\n" for number in range(5)
    )
    project.write(
        compose_yaml=f"services:\n{services}",
        Dockerfile="FROM busybox\nARG N\nCOPY Dockerfile /\nRUN echo $N > /n\nCMD cat /n\n",
    )
    project.run("build")
    assert [project.show(service=f"s{number}") for number in range(5)] == [
        f"{number}\n" for number in range(5)
    ]


def test_the_connections_need_an_upgrade(engine):
    for path in ("/session", "/grpc"):
        reply = subprocess.run(
            ["curl", "-s", "--unix-socket", engine.socket, "-X", "POST", f"http://x{path}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "no upgrade proto in request" in reply.stdout


def test_mounts_of_steps(project):
    """Only what instructions name is fetched: a mount's source is such a name."""
    project.write(d__f="ctx\n", unnamed="x\n")
    project.build(
        "FROM busybox AS one\nRUN echo made > /m\n"
        "FROM busybox\n"
        "RUN --mount=source=d/f,target=/f cat /f > /out\n"
        "RUN --mount=from=one,source=/m,target=/m --mount=type=cache,target=/c,id=compose "
        "cat /m >> /out; echo x >> /c/x\n"
        "RUN --mount=target=/all ls /all > /all-names\nCOPY --parents --link d/./f /l/\n"
    )
    assert project.show("cat", "/out", "/l/f") == "ctx\nmade\nctx\n"
    assert "unnamed" in project.show("cat", "/all-names")


def test_warnings_by_rule(project):
    _, said = project.build("FROM busybox AS Base\nMAINTAINER me\nLABEL a=$nosuch\n")
    assert "StageNameCasing: Stage name 'Base' should be lowercase (line 1)" in said
    assert "UndefinedVar: Usage of undefined variable '$nosuch' (line 3)" in said
