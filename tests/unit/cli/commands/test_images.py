import base64
import io
import json
import os
import tarfile

import pytest


def lines(*messages):
    return "".join(json.dumps(message) + "\r\n" for message in messages).encode()


PULL = lines(
    {"status": "Pulling from library/busybox", "id": "latest"},
    {"status": "Downloading", "progressDetail": {"current": 1, "total": 2}, "id": "aa"},
    {"status": "Pull complete", "progressDetail": {}, "id": "aa"},
    {"status": "Status: Downloaded newer image for busybox:latest"},
)


def test_pull_prints_plain_lines_without_the_ticks(sampan, engine):
    engine.on("POST", "/images/create", PULL)
    assert sampan("pull", "busybox").out == (
        "Using default tag: latest\n"
        "latest: Pulling from library/busybox\n"
        "aa: Pull complete\n"
        "Status: Downloaded newer image for busybox:latest\n"
        "docker.io/library/busybox:latest\n"
    )


def test_pull_quiet_prints_the_name_only(sampan, engine):
    engine.on("POST", "/images/create", PULL)
    assert sampan("pull", "-q", "localhost:5000/x:1").out == "localhost:5000/x:1\n"
    assert engine.requests[0].query == {"fromImage": "localhost:5000/x", "tag": "1"}


def test_pull_sends_the_registrys_credentials(sampan, engine, tmp_path):
    pair = base64.b64encode(b"me:secret").decode()
    config = {"auths": {"https://reg.example/v1/": {"auth": pair}}}
    (tmp_path / "home" / "config.json").write_text(json.dumps(config))
    engine.on("POST", "/images/create", b"")
    sampan("pull", "reg.example/a/b")
    header = engine.requests[0].headers["x-registry-auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "me", "password": "secret", "serveraddress": "reg.example",
    }  # fmt: skip


def test_failures_inside_the_progress_end_with_1(sampan, engine):
    engine.on("POST", "/images/create", lines({"errorDetail": {"message": "no"}, "error": "no"}))
    outcome = sampan("pull", "busybox")
    assert (outcome.status, outcome.err) == (1, "no\n")


@pytest.mark.parametrize("name", ["BAD", "a:b:c", "a@sha256:zz", "-x/y", "x:bad tag"])
def test_bad_references_are_refused_before_any_request(sampan, engine, name):
    outcome = sampan("pull", "--", name)
    assert outcome.status == 1
    assert outcome.err.startswith("invalid reference format")
    assert engine.requests == []


def test_tag_normalises_the_target(sampan, engine):
    engine.on("POST", "/images/a/tag", status=201)
    assert sampan("tag", "a", "b").status == 0
    assert engine.requests[0].query == {"repo": "docker.io/library/b", "tag": "latest"}
    assert (
        'Error parsing reference: "B" is not a valid repository/tag' in sampan("tag", "a", "B").err
    )


def test_rmi_tells_what_went(sampan, engine):
    engine.on("DELETE", "/images/a:1", [{"Untagged": "a:1"}, {"Deleted": "sha256:1"}])
    assert sampan("rmi", "a:1").out == "Untagged: a:1\nDeleted: sha256:1\n"


def test_save_leaves_no_part_of_a_file(sampan, engine, tmp_path):
    engine.on("GET", "/images/get", b"tar")
    assert sampan("save", "-o", str(tmp_path / "s.tar"), "a", "b").status == 0
    assert (tmp_path / "s.tar").read_bytes() == b"tar"
    assert "does not exist" in sampan("save", "-o", str(tmp_path / "no" / "s"), "a").err


def test_load_and_import_stream_standard_input(sampan, engine):
    engine.on("POST", "/images/load", {"stream": "Loaded image: a:1\n"})
    engine.on("POST", "/images/create", lines({"status": "sha256:1"}))
    assert sampan("load", stdin=b"tar").out == "Loaded image: a:1\n"
    assert sampan("import", "-c", "CMD x", "-", "a:1", stdin=b"tar").out == "sha256:1\n"
    assert [request.body for request in engine.requests] == [b"tar", b"tar"]
    assert engine.requests[1].query == {"changes": "CMD x", "fromSrc": "-", "repo": "a:1"}


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    (folder / "sub").mkdir(parents=True)
    for name in ("Dockerfile", "a.log", "keep.log", "b.txt", "sub/c"):
        (folder / name).write_text(f"{name}\n")
    (folder / "run.sh").write_text("x")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("b.txt")
    (folder / ".dockerignore").write_text("*.log\n!keep.log\nsub/*\nDockerfile\n")
    return folder


BUILT = lines(
    {"stream": "Step 1/1 : FROM x\n"},
    {"aux": {"ID": "sha256:1"}},
    {"stream": "Successfully built 1\n"},
)


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def test_build_packs_what_dockerignore_leaves(sampan, engine, context):
    engine.on("POST", "/build", BUILT)
    outcome = sampan("build", "-t", "a:1", "--build-arg", "A=1", str(context))
    assert outcome.status == 0
    assert outcome.out.endswith("Step 1/1 : FROM x\nSuccessfully built 1\n")
    packed = members(engine.requests[0].body)
    names = [".dockerignore", "Dockerfile", "b.txt", "keep.log", "link", "run.sh", "sub"]
    assert sorted(packed) == names
    assert {(member.uid, member.gid) for member in packed.values()} == {(0, 0)}
    assert packed["run.sh"].mode == 0o755
    assert packed["link"].linkname == "b.txt"
    assert engine.requests[0].query == {
        "t": "a:1", "buildargs": '{"A":"1"}', "dockerfile": "Dockerfile", "version": "1",
    }  # fmt: skip


def test_build_quiet_prints_the_id_and_writes_the_iidfile(sampan, engine, context, tmp_path):
    engine.on("POST", "/build", lines({"aux": {"ID": "sha256:1"}}, {"stream": "sha256:1\n"}))
    iidfile = tmp_path / "iid"
    outcome = sampan("build", "-q", "--iidfile", str(iidfile), str(context))
    assert outcome.out == "sha256:1\n"
    assert iidfile.read_text() == "sha256:1"


def test_build_fails_with_the_commands_status(sampan, engine, context):
    failure = {"errorDetail": {"code": 9, "message": "returned a non-zero code: 9"}, "error": "x"}
    engine.on("POST", "/build", lines(failure))
    outcome = sampan("build", str(context))
    assert (outcome.status, outcome.err) == (9, "returned a non-zero code: 9\n")


def test_build_from_standard_input(sampan, engine):
    engine.on("POST", "/build", BUILT)
    sampan("build", "-", stdin=b"FROM x\n")
    assert list(members(engine.requests[0].body)) == ["Dockerfile"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        file.addfile(tarfile.TarInfo("x"))
    sampan("build", "-", stdin=archive.getvalue())
    assert engine.requests[1].body == archive.getvalue()


def test_build_with_a_dockerfile_from_standard_input(sampan, engine, context):
    engine.on("POST", "/build", BUILT)
    sampan("build", "-f", "-", str(context), stdin=b"FROM y\n")
    request = engine.requests[0]
    name = request.query["dockerfile"]
    assert name.startswith(".dockerfile.")
    assert name in members(request.body)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/nosuch"], 'unable to prepare context: path "/nosuch" not found'),
        (["-f", "/nosuch", "."], "unable to evaluate symlinks in Dockerfile path: lstat /nosuch"),
        (["-f", "-", "-"], "can't use stdin for both build context and dockerfile"),
    ],
)
def test_build_contexts_that_are_refused(sampan, words, message):
    outcome = sampan("build", *words)
    assert outcome.status == 1
    assert message in outcome.err


def test_build_keeps_hard_links_and_skips_sockets(sampan, engine, context):
    os.link(context / "b.txt", context / "hard")
    engine.on("POST", "/build", BUILT)
    sampan("build", str(context))
    packed = members(engine.requests[0].body)
    assert packed["hard"].linkname == "b.txt"


PLATFORM = {"os": "linux", "architecture": "arm64", "variant": "v8"}


@pytest.mark.parametrize(
    ("words", "asked", "key"),
    [
        (["save", "-o", "/dev/null", "x"], "GET /images/get", "platform"),
        (["image", "inspect", "x"], "GET /images/x/json", "platform"),
        (["push", "reg.example/x"], "POST /images/reg.example/x/push", "platform"),
        (["rmi", "x"], "DELETE /images/x", "platforms"),
    ],
)
def test_a_platform_goes_along_as_json(sampan, engine, words, asked, key):
    engine.on(*asked.split(), b"" if "push" in asked else [])
    sampan(*words, "--platform", "Linux/ARM64/v8")
    assert json.loads(engine.requests[0].query[key]) == PLATFORM


def test_without_a_platform_none_is_sent(sampan, engine):
    engine.on("GET", "/images/x/json", {})
    sampan("image", "inspect", "x")
    assert engine.requests[0].query == {}
