"""Equal contexts on equal bases, built by two daemons at different times: equal digests."""

import os
import subprocess

import pytest

from integration.harness import SAMPAN, Engine

pytestmark = pytest.mark.integration

DOCKERFILE = """\
FROM busybox AS made
RUN mkdir -p /opt/x && echo made > /opt/x/f && ln /opt/x/f /opt/x/g && rm /etc/group
FROM busybox
ENV A=1
WORKDIR /srv/deep
COPY --chown=1:2 d /app/
COPY --from=made /opt /opt
RUN echo two > two && mkfifo fifo && ln -s two link
ADD inner.tar /added/
LABEL a=b
"""
EPOCH = 1_600_000_000


@pytest.fixture
def other(engine):
    """A second machine, as far as a build can tell, with the same base image."""
    second = Engine()
    second.start()
    saved = subprocess.run(
        [SAMPAN, "-H", engine.host, "save", "busybox"], capture_output=True, check=True
    )
    second.sampan("load", stdin=saved.stdout)
    yield second
    second.destroy()


def lay_out(folder):
    """The files of a checkout: equal but for the times."""
    (folder / "d").mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    for name in ("b", "a", "ü"):
        (folder / "d" / name).write_text(name)
    (folder / "d/a").chmod(0o755)
    (folder / "d/link").symlink_to("a")
    subprocess.run(
        ["tar", "-cf", folder / "inner.tar", "--mtime=@1", "-C", folder, "Dockerfile"], check=True
    )
    return folder


def test_two_daemons_give_one_digest(engine, other, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    found = []
    for number, one in enumerate((engine, other)):
        folder = lay_out(tmp_path / f"checkout{number}")
        os.utime(folder / "d/a", (EPOCH + 1000 * number + 1, EPOCH + 1000 * number + 1))
        argument = ("--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}")
        classic = one.docker("build", "-q", "-t", "same", *argument, folder).stdout.strip()
        one.sampan("build", "--no-cache", "-o", f"type=oci,dest={folder}/o.tar", *argument, folder)
        one.sampan("build", "-o", f"type=tar,dest={folder}/files.tar", *argument, folder)
        archive = (folder / "o.tar").read_bytes()
        found.append((classic, archive, (folder / "files.tar").read_bytes()))
    assert found[0] == found[1]
    created = engine.docker("inspect", "-f", "{{.Created}}", "same").stdout.strip()
    assert created == "2020-09-13T12:26:40Z"
    times = engine.docker(
        "run", "--rm", "same", "sh", "-c", "stat -c %Y /app/a /app/b /srv/deep/two"
    ).stdout
    assert max(map(int, times.split())) >= EPOCH
    loaded = other.docker("load", "-i", tmp_path / "checkout0/o.tar").stdout
    assert found[0][0] in loaded


def test_the_epoch_is_part_of_the_cache_key(engine, tmp_path):
    folder = lay_out(tmp_path / "c")
    digests = {
        engine.docker(
            "build", "-q", "--build-arg", f"SOURCE_DATE_EPOCH={epoch}", folder
        ).stdout.strip()
        for epoch in (EPOCH, EPOCH + 1, EPOCH)
    }
    assert len(digests) == 2
