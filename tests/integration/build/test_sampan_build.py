"""`sampan build` over BuildKit's protocol: outputs, displays, contexts, secrets."""

import io
import json
import os
import pty
import re
import subprocess
import tarfile

import pytest

from integration.harness import SAMPAN
from integration.registry.registry_parts import Server

pytestmark = pytest.mark.integration

TWO_FILES = "FROM scratch\nCOPY a /a\nCOPY sub /sub\n"


@pytest.fixture
def build(engine, tmp_path, monkeypatch):
    """build(dockerfile, *options, files={...}) runs in a directory with these files."""
    context = tmp_path / "context"
    context.mkdir()
    monkeypatch.chdir(context)

    def run(dockerfile, *options, files=None, check=True, stdin=None):
        (context / "Dockerfile").write_text(dockerfile)
        for name, content in (files or {}).items():
            path = context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return engine.sampan("build", *options, ".", check=check, stdin=stdin)

    run.context = context
    return run


@pytest.fixture
def two_files(build):
    files = {"a": b"A\n", "sub/b": b"B" * 3_000_000}

    def run(*options):
        return build(TWO_FILES, *options, files=files)

    return run


# --- outputs --------------------------------------------------------------------------------


def test_files_into_a_directory(two_files, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/kept").write_text("kept")
    (tmp_path / "out/a").write_text("old")
    two_files("-o", tmp_path / "out")
    assert (tmp_path / "out/a").read_text() == "A\n"
    assert (tmp_path / "out/sub/b").stat().st_size == 3_000_000
    assert (tmp_path / "out/kept").exists()


def test_files_as_an_archive(engine, two_files, build, tmp_path):
    two_files("--output", f"type=tar,dest={tmp_path}/x.tar")
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert sorted(archive.getnames()) == ["a", "sub", "sub/b"]
    done = subprocess.run(
        [SAMPAN, "-H", engine.host, "build", "-q", "-o", "-", "."], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert archive.extractfile("a").read() == b"A\n"


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_the_image_as_an_archive(kind, engine, two_files, tmp_path):
    two_files("-t", f"archived:{kind}", "-o", f"type={kind},dest={tmp_path}/x.tar")
    assert not engine.docker("images", "-q", f"archived:{kind}").stdout
    loaded = engine.docker("load", "-i", tmp_path / "x.tar").stdout
    assert f"Loaded image: archived:{kind}" in loaded


def test_several_outputs_and_names_at_once(engine, two_files, tmp_path):
    two_files("-t", "many:1", "-t", "many:2", "--load", "-o", tmp_path / "o")
    assert engine.docker("images", "-q", "many").stdout.count("\n") == 2
    assert (tmp_path / "o/a").exists()


def test_only_the_cache(engine, two_files):
    before = engine.docker("images", "-q").stdout
    two_files("-o", "type=cacheonly")
    assert engine.docker("images", "-q").stdout == before
    assert two_files("--progress", "plain").stderr.count(" CACHED") == 2


def test_push_with_the_users_credentials(engine, build, tmp_path):
    root = tmp_path / "registry"
    root.mkdir()
    server = Server(root, locked=True)
    try:
        name = f"{server.host}/pushed:1"
        refused = build("FROM scratch\nLABEL a=b\n", "--push", "-t", name, check=False)
        assert refused.returncode == 1
        assert "no basic auth credentials" in refused.stderr
        engine.sampan("login", "-u", "me", "-p", "secret", server.host)
        build("FROM scratch\nLABEL a=b\n", "--push", "-t", name, "--metadata-file", "m.json")
        engine.docker("rmi", name)
        engine.docker("pull", name)
        found = json.loads((build.context / "m.json").read_text())
        digests = engine.docker("inspect", "-f", "{{.RepoDigests}}", name).stdout
        assert found["containerimage.digest"] in digests
        assert found["image.name"] == name
    finally:
        engine.sampan("logout", server.host)
        server.close()


def test_files_about_the_result(engine, build):
    build("FROM scratch\nLABEL x=y\n", "--iidfile", "iid", "--metadata-file", "m.json", "-q")
    image = (build.context / "iid").read_text()
    assert engine.docker("inspect", "-f", "{{.Id}}", image).stdout.strip() == image
    found = json.loads((build.context / "m.json").read_text())
    assert found["containerimage.config.digest"] == image


# --- displays -------------------------------------------------------------------------------

STEPS = "FROM busybox\nRUN echo some; echo error >&2\nCOPY a /a\n"


def test_plain_lines(build):
    said = build(STEPS, "--progress", "plain", "--no-cache", files={"a": b"1"}).stderr
    number = re.search(r"^#(\d+) \[2/3\] RUN echo some; echo error >&2$", said, re.MULTILINE)[1]
    assert re.search(rf"^#{number} \d+\.\d{{3}} some$", said, re.MULTILINE)
    assert re.search(rf"^#{number} DONE \d+\.\ds$", said, re.MULTILINE)
    said = build(STEPS, "--progress", "plain").stderr
    assert re.search(r"^#\d+ CACHED$", said, re.MULTILINE)


def test_raw_json(build):
    said = build(STEPS, "--progress", "rawjson", "--no-cache", files={"a": b"1"}).stderr
    updates = [json.loads(line) for line in said.splitlines()]
    members = {name for update in updates for name in update}
    assert members == {"vertexes", "statuses", "logs"}
    ended = [v for u in updates for v in u.get("vertexes", ()) if "completed" in v]
    assert "[2/3] RUN echo some; echo error >&2" in [vertex["name"] for vertex in ended]


def test_quiet_prints_the_image_only(engine, build):
    done = build(STEPS, "-q", "--secret", "id=x,env=HOME", files={"a": b"1"})
    assert done.stderr == ""
    assert engine.docker("inspect", "-f", "{{.Id}}", done.stdout.strip()).stdout == done.stdout


def test_a_terminal_gets_the_live_display(engine, build):
    build("FROM busybox\n")
    (build.context / "Dockerfile").write_text("FROM busybox\nRUN echo from within; sleep 0.5\n")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SAMPAN, "-H", engine.host, "build", "--no-cache", "."],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while piece := _read(ours):
        said += piece
    os.close(ours)
    assert process.wait(20) == 0
    text = said.decode()
    assert re.search(r"\[\+\] Building \d+\.\ds \(\d+/\d+\) FINISHED", text)
    assert "=> => # from within" in text  # while it ran
    assert "# from within" not in text.rpartition("FINISHED")[2]  # and collapsed when done


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_failures_show_output_and_lines(build):
    done = build("FROM busybox\nRUN echo why; exit 3\n", "--progress", "plain", check=False)
    assert done.returncode == 1
    assert re.search(
        r"^ > \[2/2\] RUN echo why; exit 3:\n\d+\.\d+ why\n", done.stderr, re.MULTILINE
    )
    assert "   2 | >>> RUN echo why; exit 3\n" in done.stderr
    assert done.stderr.endswith(
        'ERROR: failed to solve: process "/bin/sh -c echo why; exit 3" '
        "did not complete successfully: exit code: 3\n"
    )


# --- explaining and checking ----------------------------------------------------------------


def test_explain_names_the_input_that_changed(build):
    text = "FROM busybox\nARG V\nCOPY a sub /x/\nRUN echo $V\n"
    options = ("-q", "--explain", "-t", "explained", "--build-arg")
    build(text, *options, "V=1", files={"a": b"1", "sub/b": b"1"})
    assert build(text, *options, "V=1").stderr == "\nAll steps were cached.\n"
    said = build(text, *options, "V=1", files={"sub/b": b"2"}).stderr
    assert re.search(r"COPY a sub /x/: file sub/b changed", said)
    assert re.search(r"RUN echo \$V: the step before it changed", said)
    said = build(text, *options, "V=2").stderr
    assert re.search(r"RUN echo \$V: build argument V changed", said)
    assert "COPY" not in said
    said = build(text.replace("echo", "true"), *options, "V=2").stderr
    assert re.search(r"RUN true \$V: the instruction changed", said)


def test_explain_knows_what_the_classic_builder_built(engine, build):
    text = "FROM busybox\nCOPY a /classic/\n"
    (build.context / "Dockerfile").write_text(text)
    (build.context / "a").write_bytes(b"1")
    engine.docker("build", "-q", "-t", "both:one", ".")
    said = build(text, "-q", "--explain", "-t", "both:two", files={"a": b"2"}).stderr
    assert re.search(r"COPY a /classic/: file a changed", said)


def test_check_builds_nothing(engine, build):
    before = engine.docker("images", "-aq").stdout
    fine = build("FROM busybox\nRUN echo never built\n", "--check")
    assert fine.stdout == "Check complete, no warnings found.\n"
    doubtful = build("FROM busybox\nENV a b\n", "--check", check=False)
    assert doubtful.returncode == 1
    assert "WARNING: LegacyKeyValueFormat - https://" in doubtful.stdout
    assert "Dockerfile:2" in doubtful.stdout
    wrong = build("FROM busybox\nNOPE\n", "--check", check=False)
    assert wrong.returncode == 1
    assert "unknown instruction: NOPE" in wrong.stdout
    assert engine.docker("images", "-aq").stdout == before


# --- where things come from -----------------------------------------------------------------


def test_a_secret_reaches_its_step_and_nothing_else(engine, build):
    text = (
        "FROM busybox\nRUN --mount=type=secret,id=t cat /run/secrets/t | rev > /r\n"
        "RUN --mount=type=secret,id=e,env=E echo $E | rev >> /r\n"
    )
    build(
        text,
        *("-t", "secretive", "--secret", "id=t,src=token", "--secret", "id=e,env=HOME"),
        files={"token": b"lautnevda\n"},
    )
    shown = engine.docker("run", "--rm", "secretive", "cat", "/r").stdout.splitlines()
    assert shown[0] == "adventual"
    assert shown[1] == engine._environment()["HOME"][::-1]
    saved = subprocess.run(
        [SAMPAN, "-H", engine.host, "save", "secretive"], capture_output=True, check=True
    ).stdout
    assert b"lautnevda" not in saved


def test_a_secret_that_is_not_there_is_told_before_anything_is_sent(build):
    done = build("FROM busybox\n", "--secret", "id=x,src=/nowhere", check=False)
    assert done.returncode == 1
    assert "failed to stat /nowhere" in done.stderr


def test_contexts_from_standard_input(engine, build):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in (
            ("D", b"FROM scratch\nCOPY . /in/\n"),
            (".dockerignore", b"junk\nD\n"),
            ("wanted", b"w"),
            ("junk", b"j"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    engine.sampan("build", "-o", "out", "-f", "D", "-", stdin=buffer.getvalue())
    assert sorted(one.name for one in (build.context / "out/in").iterdir()) == [
        ".dockerignore",
        "wanted",
    ]
    alone = engine.sampan(
        "build", "-q", "--progress", "plain", "-", stdin="FROM busybox\nENV alone=1\n"
    )
    image = alone.stdout.strip()
    assert "alone=1" in engine.docker("inspect", "-f", "{{.Config.Env}}", image).stdout


def test_a_dockerfile_from_standard_input_or_elsewhere(engine, build, tmp_path):
    build(
        "FROM nothing-of-the-kind\n",
        *("-f", "-", "-o", "out"),
        files={"x": b"x"},
        stdin="FROM scratch\nCOPY x /y\n",
    )
    assert (build.context / "out/y").read_bytes() == b"x"
    (tmp_path / "Other").write_text("FROM scratch\nCOPY x /z\n")
    engine.sampan("build", "-f", tmp_path / "Other", "-o", "out", ".")
    assert (build.context / "out/z").read_bytes() == b"x"


def test_other_contexts(build, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/f").write_text("other")
    build(
        "FROM busy AS b\nFROM scratch\nCOPY --from=more f /f\nCOPY --from=b /etc/passwd /p\n",
        *("--build-context", f"more={tmp_path}/other"),
        *("--build-context", "busy=docker-image://busybox", "-o", "out"),
    )
    assert (build.context / "out/f").read_text() == "other"
    assert (build.context / "out/p").exists()


def test_links_in_the_context_are_followed_inside_it(build):
    (build.context / "dir").mkdir()
    (build.context / "dir/real").write_text("r")
    (build.context / "way").symlink_to("dir")
    (build.context / "abs").symlink_to("/etc/hostname")
    build("FROM scratch\nCOPY way/re* /r\nCOPY dir /d\n", "-o", "out", files={"no": b"n"})
    assert (build.context / "out/r").read_text() == "r"
    done = build("FROM scratch\nCOPY abs /h\n", "-o", "out2", check=False)
    assert done.returncode == 1
    assert "abs" in done.stderr


def test_flags_that_rule_each_other_out(build):
    done = build("FROM busybox\n", "--memory", "1g", "--secret", "id=x,env=HOME", check=False)
    assert done.returncode == 1
    assert "--secret needs BuildKit's protocol, which --memory rules out" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--platform", "linux/amd64,linux/arm64"], "several platforms"),
        (["-o", "type=nonsense"], "exporter 'nonsense' is not supported"),
        (["-o", "type=oci,dest=x,tar=false"], "tar=false of exporter oci is not supported"),
        (["--push"], "tag is needed when pushing to registry"),
        (["--progress", "loud"], "invalid progress mode loud"),
        (["--build-arg", "SOURCE_DATE_EPOCH=soon", "--load"], "invalid SOURCE_DATE_EPOCH: soon"),
    ],
)
def test_what_cannot_be_is_refused_clearly(options, message, build):
    done = build("FROM busybox\n", *options, check=False)
    assert done.returncode == 1
    assert message in done.stderr
