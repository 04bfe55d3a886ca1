"""The registry driven by skopeo, and by the docker CLI through an engine of ours."""

import hashlib
import io
import json
import shutil
import tarfile

import pytest

pytestmark = pytest.mark.integration
needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="no skopeo")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def make_layout(folder, *files: tuple[str, bytes]) -> None:
    """An OCI layout with the image `1`, one layer for each file."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def keep(content: bytes, media_type: str) -> dict:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}

    layers = [keep(_tar(name, content), LAYER) for name, content in files]
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": keep(json.dumps(config).encode(), CONFIG),
        "layers": layers,
    }
    top = keep(json.dumps(manifest).encode(), MANIFEST)
    top["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@needs_skopeo
def test_skopeo_pushes_inspects_copies_and_deletes(hub, tmp_path):
    layout = tmp_path / "layout"
    make_layout(layout, ("a", b"a" * 3_000_000), ("b", b"b"))
    image = f"docker://{hub.address}/team/app"
    hub.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"{image}:v1")
    seen = json.loads(hub.skopeo("inspect", "--tls-verify=false", f"{image}:v1"))
    assert (seen["Architecture"], seen["RepoTags"], len(seen["Layers"])) == ("amd64", ["v1"], 2)
    between = ("copy", "--src-tls-verify=false", "--dest-tls-verify=false")
    other = f"docker://{hub.address}/team/other:v2"
    hub.skopeo(*between, f"{image}:v1", other)
    hub.skopeo(*between, "--format", "v2s2", f"{image}:v1", f"{image}:docker")
    hub.skopeo("copy", "--src-tls-verify=false", other, f"dir:{tmp_path / 'out'}")
    pulled = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for layer in pulled["layers"]:
        name = layer["digest"].partition(":")[2]
        content = (tmp_path / "out" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == name
    hub.skopeo("delete", "--tls-verify=false", f"{image}:docker")
    listed = json.loads(hub.skopeo("list-tags", "--tls-verify=false", image))
    assert listed["Tags"] == ["v1"]


@needs_skopeo
def test_gc_command_beside_the_running_hub(hub, tmp_path):
    layout = tmp_path / "layout"
    make_layout(layout, ("a", b"a"))
    image = f"docker://{hub.address}/team/app:v1"
    hub.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:1", image)
    said = hub.sampan("gc", "--dry-run")
    assert said.stdout.startswith("would remove: 0 blobs"), said
    said = hub.sampan("gc")
    assert said.stdout.startswith("removed: 0 blobs"), said
    hub.skopeo("copy", "--src-tls-verify=false", image, f"dir:{tmp_path / 'out'}")


def test_second_hub_on_the_root_is_refused(hub):
    again = hub.sampan("--listen", "127.0.0.1:0")
    assert again.returncode == 1
    assert "another hub is running" in again.stderr


def test_bad_command_lines(hub):
    assert hub.sampan("--nonsense").returncode == 125
    assert hub.sampan("gc", "--lease", "1s").returncode == 125
    said = hub.sampan("gc", "--help").stdout.lower()
    assert said.split()[:4] == ["usage:", "sampan", "hub", "gc"]


def test_docker_through_our_engine(engine, hub):
    image = f"{hub.address}/team/busybox:v1"
    engine.docker("tag", "busybox", image)
    pushed = engine.docker("push", image).stdout
    assert "digest: sha256:" in pushed
    again = engine.docker("push", image).stdout
    assert "Layer already exists" in again
    mounted = f"{hub.address}/team/copy:v1"
    engine.docker("tag", image, mounted)
    assert "Mounted from team/busybox" in engine.docker("push", mounted).stdout
    engine.docker("rmi", image, mounted)
    assert "Downloaded newer image" in engine.docker("pull", image).stdout
    said = engine.docker("run", "--rm", image, "echo", "from the hub").stdout
    assert said == "from the hub\n"
    engine.docker("rmi", image)
