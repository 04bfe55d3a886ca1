"""`docker compose build`: what a build borrows from its client, and gives back."""

import shutil
import subprocess

import pytest

from integration.build.test_compose_build import Project

pytestmark = pytest.mark.integration


@pytest.fixture
def project(engine, tmp_path):
    return Project(engine, tmp_path)


def test_secrets_from_files_and_variables(project, engine):
    project.write(
        compose_yaml="""
services:
  app:
    build:
      context: .
      secrets:
        - token
        - source: other
          target: named
secrets:
  token: {file: ./token.txt}
  other: {environment: PATH}
""",
        token_txt="s3cret-value",
        Dockerfile="FROM busybox\n"
        "RUN --mount=type=secret,id=token,required=true md5sum /run/secrets/token > /sum\n"
        "RUN --mount=type=secret,id=named,env=NAMED test -n $NAMED && echo $NAMED | wc -l > /n\n"
        "RUN ls -A /run > /left; cat /run/secrets/token 2>> /left || true\n",
    )
    project.run("build", "--no-cache")
    assert project.show("cut", "-c1-32", "/sum").strip() == "dfe5e226b6e19e8fb9d764084d02923a"
    assert project.show("cat", "/n") == "1\n"
    history = engine.docker("history", "--no-trunc", f"{project.name}-app").stdout
    assert "s3cret" not in history


def test_a_required_secret_that_is_missing(project):
    status, said = project.build(
        "FROM busybox\nRUN --mount=type=secret,id=nope,required=true true\n", check=False
    )
    assert status != 0
    assert "nope" in said
    assert "not found" in said


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="no ssh-agent here")
def test_an_ssh_agent_of_the_user(project):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of a test", "-f", "key"],
        cwd=project.path,
        check=True,
    )
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", "key"],
        cwd=project.path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()[1]
    copy_with_libraries("ssh-add", project.path / "tools")
    project.write(
        compose_yaml="services:\n  app:\n    build: {context: ., ssh: ['mine=./key']}\n",
        Dockerfile="FROM busybox\nCOPY tools /\n"
        "RUN --mount=type=ssh,id=mine,required=true ssh-add -l > /listed\n"
        'RUN test -z "$SSH_AUTH_SOCK"\n',
    )
    project.run("build")
    assert fingerprint in project.show("cat", "/listed")


def copy_with_libraries(program, root):
    """A dynamic program of this machine, with what it needs, below `root`."""
    path = shutil.which(program)
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    wanted = [word for word in listed.split() if word.startswith("/")]
    for source in (path, *wanted):
        target = root / source.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def test_no_host_network_without_the_entitlement(project):
    project.dockerfile("FROM busybox\nRUN --network=host true\n")
    status, said = project.run("build", check=False)
    assert status != 0
    assert "network.host" in said


def test_warnings_name_their_rules(project):
    said = project.build("FROM busybox\nENV a b\n")[1]
    assert "LegacyKeyValueFormat" in said
    assert "(line 2)" in said
