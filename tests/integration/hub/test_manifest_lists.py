"""`sampan manifest` against our hub: Docker's client and ours say the same.

Each program makes the same lists; what it prints, its status, the files that it keeps and the
digests of what it pushed have to be equal to the other's.
"""

import io
import os
import subprocess
import tarfile

import pytest

from integration.harness import SAMPAN, docker_cli

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

VERBS = """
create {r}/app:all {r}/app:amd64 {r}/app:arm64
create {r}/app:all {r}/app:amd64
create --amend {r}/app:all {r}/app:v7
inspect {r}/app:all
annotate --variant v8 --os-version 5 --os-features a,b {r}/app:all {r}/app:arm64
annotate {r}/app:all {r}/app:nosuch --arch arm
annotate --os linux --arch nosuch {r}/app:all {r}/app:arm64
inspect {r}/app:all {r}/app:arm64
inspect {r}/app:all {r}/app:nosuch
inspect -v {r}/app:all
push {r}/app:all
push --purge {r}/app:all
push {r}/app:all
inspect {r}/app:all
inspect -v {r}/app:all
inspect {r}/app:v7
inspect -v {r}/app:v7
inspect {r}/app:nosuch
create {r}/app:nested {r}/app:all
create {r}/other/app:all {r}/app:amd64 {r}/app:oci
push {r}/other/app:all
inspect {r}/other/app:all
create elsewhere.example:5/app {r}/app:amd64
push elsewhere.example:5/app
rm {r}/other/app:all {r}/nosuch
"""
PLAIN = {"annotate", "rm"}  # they ask no registry


@pytest.fixture
def images(hub, engine):
    """Three platforms, and one image with OCI's types."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        out.addfile(tarfile.TarInfo("file"))
    for tag, platform in (("amd64", "amd64"), ("arm64", "arm64"), ("v7", "arm/v7")):
        name = f"{hub.address}/app:{tag}"
        words = ("import", "--platform", f"linux/{platform}", "-", name)
        engine.docker(*words, stdin=buffer.getvalue())
        engine.docker("push", name)
        engine.docker("rmi", name)
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    app = f"docker://{hub.address}/app"
    hub.skopeo("copy", *tls, "--format", "oci", f"{app}:amd64", f"{app}:oci")


def told(program, folder, address):
    """Everything that the program says, and the files that it leaves."""
    found = []
    for line in VERBS.format(r=address).strip().splitlines():
        verb, *words = line.split()
        insecure = [] if verb in PLAIN else ["--insecure"]
        done = subprocess.run(
            [program, "manifest", verb, *insecure, *words],
            env={**os.environ, "DOCKER_CONFIG": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        found.append((line, done.returncode, done.stdout, done.stderr))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return found, [(str(path.relative_to(folder)), path.read_text()) for path in files]


def test_both_clients_make_the_same_lists(hub, images, engine, tmp_path):
    folders = [tmp_path / name for name in ("docker", "sampan")]
    for folder in folders:
        folder.mkdir()
    docker = told(docker_cli(), folders[0], hub.address)
    hub.call("DELETE", "/v2/other/app/manifests/all")  # its parts stay: nothing is mounted again
    sampan = told(SAMPAN, folders[1], hub.address)
    for theirs, ours in zip(docker[0], sampan[0], strict=True):
        assert ours == theirs
    assert sampan[1] == docker[1]
    statuses = [status for _, status, *_ in docker[0]]
    assert statuses.count(0) == 16
    name = f"{hub.address}/app:all"
    engine.docker("pull", "--platform", "linux/arm64", name)
    assert engine.docker("inspect", "-f", "{{.Architecture}}", name).stdout == "arm64\n"
    engine.docker("rmi", name)
