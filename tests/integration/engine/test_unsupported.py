"""What isn't built is refused with its name, never answered as if it had been done."""

import json
from contextlib import closing

import pytest

from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ARM = "linux/arm64"


@pytest.fixture
def box(engine: Engine):
    engine.docker("create", "--name", "box", "--user", "1:1", "busybox", "true")
    yield "box"
    engine.docker("rm", "-f", "box")


def asked(engine: Engine, line: str, body: object = None) -> tuple[int, str]:
    method, path = line.split()
    data = None if body is None else json.dumps(body)
    with closing(engine.http()) as connection:
        connection.request(method, f"/v1.51{path}", data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["message"]


@pytest.mark.parametrize(
    ("line", "body", "message"),
    [
        ("GET /containers/box/checkpoints", None, "checkpoints"),
        ("POST /containers/box/checkpoints", {}, "checkpoints"),
        ("DELETE /containers/box/checkpoints/one", None, "checkpoints"),
        ("POST /containers/box/start?checkpoint=one", None, "checkpoint"),
        ("GET /plugins/privileges?remote=x", None, "managed plugins"),
        ("POST /plugins/pull?remote=x", [], "managed plugins"),
        ("POST /plugins/create?name=x", None, "managed plugins"),
        ("POST /volumes/create", {"Name": "v1", "ClusterVolumeSpec": {}}, "cluster volumes"),
    ],
)
def test_an_endpoint_that_is_not_built(engine: Engine, box, line, body, message):
    status, text = asked(engine, line, body)
    assert (status, message in text) == (501, True), text
    assert engine.docker("inspect", "-f", "{{.State.Status}}", box).stdout == "created\n"
    assert "v1" not in engine.docker("volume", "ls", "-q").stdout.split()


@pytest.mark.parametrize("command", ["save", "push", "rmi", "history", "inspect"])
def test_an_image_of_another_platform_than_asked_for(engine: Engine, command):
    engine.docker("tag", "busybox", "localhost:1/mine")
    words = ["image", "rm" if command == "rmi" else command, "--platform", ARM, "localhost:1/mine"]
    failed = engine.docker(*words, check=False)
    assert failed.returncode == 1
    assert f"does not provide the specified platform ({ARM})" in failed.stderr
    assert engine.docker("rmi", "localhost:1/mine").stdout.startswith("Untagged")


def test_an_archive_of_another_platform_than_asked_for(engine: Engine, tmp_path):
    archive = tmp_path / "image.tar"
    engine.docker("tag", "busybox", "t-platform")
    engine.docker("save", "-o", archive, "t-platform")
    engine.docker("rmi", "t-platform")
    failed = engine.docker("load", "--platform", ARM, "-i", archive, check=False)
    assert f"requested platform ({ARM}) does not match" in failed.stderr
    assert engine.docker("images", "-q", "t-platform").stdout == ""
    here = engine.docker("version", "-f", "{{.Server.Os}}/{{.Server.Arch}}").stdout.strip()
    engine.docker("load", "--platform", here, "-i", archive)
    engine.docker("rmi", "--platform", here, "t-platform")


def test_cp_gives_files_to_the_containers_user_when_asked_to(engine: Engine, box, tmp_path):
    (tmp_path / "f").write_text("x")
    engine.docker("cp", tmp_path / "f", f"{box}:/plain")
    engine.docker("cp", "-a", tmp_path / "f", f"{box}:/own")
    engine.docker("commit", box, "t-owned")
    owners = engine.docker("run", "--rm", "t-owned", "stat", "-c", "%u:%g", "/plain", "/own")
    assert owners.stdout.split() == ["0:0", "1:1"]
    engine.docker("rmi", "t-owned")
