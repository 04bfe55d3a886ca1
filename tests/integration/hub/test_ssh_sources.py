"""An automated build from ssh://, with the source's deploy key, against a real sshd."""

import pytest

from integration.hub.sshd import Sshd
from integration.hub.test_automation import Yard, _images, git

pytestmark = pytest.mark.integration


@pytest.fixture
def sshd(tmp_path):
    with Sshd(tmp_path / "sshd") as found:
        yield found


def _build(yard, number, *, seconds=40):
    """A build of main, to its end."""
    yard.repository("POST", "/builds", source_name="main")
    return yard.wait_for_build(number, "success", "failed", "error", seconds=seconds)


@pytest.mark.timeout(120)
def test_a_build_from_ssh_with_a_deploy_key(tmp_path, engine, sshd):
    yard = Yard(tmp_path, "--builder", engine.host, "--git-allow", "127.0.0.1/32")
    known = yard.hub.root / "builds" / "known_hosts"
    try:
        yard.commit(Dockerfile="FROM busybox\nCOPY word /word\n", word="by ssh\n")
        git(yard.work, "push", "-q", "origin", "main")
        source = yard.repository("PUT", "/autobuild", source_url=sshd.url(yard.bare))
        assert source["deploy_key"].startswith("ssh-ed25519 ")
        # the server doesn't know the key yet
        refused = _build(yard, 1)
        assert refused["state"] == "error"
        assert "Permission denied" in refused["reason"]
        first = known.read_text()
        assert first.startswith(f"[127.0.0.1]:{sshd.port} "), "believed at first sight"
        # now it does
        sshd.allow(source["deploy_key"])
        built = _build(yard, 2)
        assert built["state"] == "success", yard.log(2)
        assert built["commit"] == git(yard.work, "rev-parse", "HEAD")
        name = f"{yard.hub.address}/alice/app"
        assert engine.docker("run", "--rm", f"{name}:latest", "cat", "/word").stdout == "by ssh\n"
        # another machine in its place gets nothing, and isn't remembered
        sshd.change_host_key()
        changed = _build(yard, 3)
        assert changed["state"] == "error"
        assert "Host key verification failed" in changed["reason"]
        assert known.read_text() == first
        # a second server of the same host has a host key of its own
        with Sshd(tmp_path / "other") as other:
            other.allow(source["deploy_key"])
            moved = yard.repository("PUT", "/autobuild", source_url=other.url(yard.bare))
            assert moved["deploy_key"] == source["deploy_key"]
            built = _build(yard, 4)
            assert built["state"] == "success", yard.log(4)
        assert len(known.read_text().splitlines()) == 2
        assert not list((yard.hub.root / "builds" / "scratch").iterdir())
    finally:
        yard.hub.stop()
        engine.docker("rmi", "-f", *_images(engine, yard.hub.address), check=False)
