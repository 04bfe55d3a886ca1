"""Images of services: to a registry and back, and builds that borrow from their client."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.harness import Engine

from .conftest import REAL, ComposeProject

sys.path.insert(0, str(Path(__file__).parents[1] / "registry"))
from registry_parts import Server

needs_real = pytest.mark.skipif(not REAL.exists(), reason="no docker-compose: scripts/setup")
BUILDKIT = {"DOCKER_BUILDKIT": "1"}


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Server(tmp_path_factory.mktemp("registry"))
    yield server.host
    server.close()


@pytest.fixture(autouse=True)
def clean(project: ComposeProject, engine: Engine) -> Iterator[None]:
    yield
    if (project.folder / "compose.yaml").exists():
        project.run("down", "-t", "0", "--rmi", "all")
    engine.import_busybox()


def test_push_and_pull(project: ComposeProject, engine: Engine, registry: str) -> None:
    image = f"{registry}/team/app:1"
    project.write(
        f"services: {{app: {{image: '{image}', command: cat /word, "
        'build: {dockerfile_inline: "FROM busybox\\nRUN echo pulled > /word"}}}'
    )
    project.run("build")
    pushed = project.run("push").stderr
    assert "app  Pushed" in pushed
    engine.docker("rmi", "-f", image)
    pulled = project.run("pull").stderr
    assert "app  Pulled" in pulled
    assert "app-1  | pulled" in project.run("up", "--no-build").stdout


def test_up_pulls_what_is_missing_and_says_what_it_can_not(
    project: ComposeProject, engine: Engine, registry: str
) -> None:
    image = f"{registry}/team/base:1"
    engine.docker("tag", "busybox", image)
    engine.docker("push", "-q", image)
    engine.docker("rmi", image)
    project.write(f"services: {{app: {{image: '{image}', command: 'true'}}}}")
    assert "app  Pulled" in project.run("up", "-d").stderr
    project.write(f"services: {{app: {{image: '{registry}/team/none:1', command: 'true'}}}}")
    assert "manifest unknown" in project.run("up", "-d", status=1).stderr


def test_builds_take_secrets_contexts_and_caches(project: ComposeProject, engine: Engine) -> None:
    project.write("s3cret", "token.txt")
    project.write("from elsewhere", "more/file")
    project.write(
        "FROM base\n"
        "RUN --mount=type=secret,id=token,required=true md5sum < /run/secrets/token > /sum\n"
        "RUN --mount=type=secret,id=named echo $(cat /run/secrets/named) > /named\n"
        "COPY --from=more file /file\n",
        "Dockerfile",
    )
    project.write(
        """
services:
  base: {build: {dockerfile_inline: "FROM busybox\\nRUN echo base > /base\\n"}, command: "true"}
  app:
    command: cat /base /file /named
    build:
      context: .
      secrets: [token, {source: word, target: named}]
      additional_contexts: {base: "service:base", more: ./more}
      cache_from: ["proj-app:latest"]
      cache_to: ["type=inline"]
secrets:
  token: {file: ./token.txt}
  word: {environment: WORD}
"""
    )
    more = {**BUILDKIT, "WORD": "hush"}
    project.run("build", **more)
    said = project.run("run", "--rm", "--no-deps", "-T", "app", **more).stdout
    assert said == "base\nfrom elsewherehush\n"
    again = project.run("build", **more)
    assert "CACHED" in again.stderr + again.stdout
    history = engine.docker("history", "--no-trunc", "proj-app").stdout
    assert "s3cret" not in history
    (project.folder / "token.txt").unlink()
    assert "token" in project.run("build", "--no-cache", "app", status=1, **more).stderr


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="no ssh-agent here")
def test_builds_reach_the_users_agent(project: ComposeProject) -> None:
    words = subprocess.run(
        ["ssh-agent", "-s"], capture_output=True, text=True, check=True
    ).stdout.split(";")
    variables = dict(word.strip().split("=", 1) for word in words if "=" in word)
    project.write(
        "services: {app: {command: cat /socket, build: {context: ., ssh: [default], "
        'dockerfile_inline: "FROM busybox\\n'
        'RUN --mount=type=ssh test -S $$SSH_AUTH_SOCK && echo there > /socket\\n"}}}'
    )
    try:
        project.run("build", **BUILDKIT, **variables)
    finally:
        subprocess.run(["kill", variables["SSH_AGENT_PID"]], check=True)
    assert project.run("run", "--rm", "-T", "app").stdout == "there\n"


def test_there_is_one_builder(project: ComposeProject) -> None:
    project.write('services: {app: {build: {dockerfile_inline: "FROM busybox"}}}')
    assert 'no builder "other" found' in project.run("build", "--builder", "other", status=1).stderr
    project.run("build", "--builder", "default")


@needs_real
def test_the_bake_file_is_docker_composes(project: ComposeProject) -> None:
    project.write("x", "s.txt")
    project.write(
        """
services:
  a:
    image: im:1
    build:
      context: .
      args: {X: y, FROM_ENV: }
      secrets: [s]
      additional_contexts: {foo: ./sub}
      cache_from: [x/y]
      labels: {l: m}
      target: t
      ssh: [default]
      tags: [o/p:1]
      no_cache: true
      pull: true
      platforms: [linux/amd64]
  b: {build: {dockerfile_inline: FROM busybox}}
  c: {image: busybox}
secrets: {s: {file: ./s.txt}}
"""
    )
    ours = project.run("build", "--print", "--build-arg", "Z=1").stdout
    real = project.real("build", "--print", "--build-arg", "Z=1").stdout
    # the order of its group's targets is another one each time
    assert json.loads(ours)["group"]["default"]["targets"] == ["a", "b"]
    assert ours == re.sub(r'"b",(\s+)"a"\n', r'"a",\1"b"\n', real)
    (project.folder / "compose.yaml").unlink()
