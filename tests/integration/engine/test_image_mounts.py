"""`--mount type=image`: another image's files inside a container."""

import io
import json
import tarfile
from collections.abc import Iterator

import pytest

from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture
def engine(file_engine: Engine) -> Iterator[Engine]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name in ("etc/greeting", "deep/er/file"):
            info = tarfile.TarInfo(name)
            info.size = 6
            out.addfile(info, io.BytesIO(b"hello\n"))
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        out.addfile(link)
    file_engine.docker("import", "-", "given", stdin=buffer.getvalue())
    yield file_engine
    names = file_engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        file_engine.docker("rm", "-f", "-v", *names)
    file_engine.docker("rmi", "-f", "given", check=False)


def _run(engine: Engine, mount: str, command: str, *, check: bool = True):
    return engine.docker(
        "run", "--rm", "--mount", mount, "busybox", "sh", "-c", command, check=check
    )


def test_its_files_are_there_and_cannot_be_written(engine: Engine):
    mount = "type=image,source=given,target=/x"
    assert _run(engine, mount, "cat /x/etc/greeting").stdout == "hello\n"
    refused = _run(engine, mount, "echo > /x/etc/greeting", check=False)
    assert "Read-only file system" in refused.stderr
    below = f"{mount},image-subpath=deep/er"
    assert _run(engine, below, "ls /x").stdout == "file\n"
    inside = _run(engine, f"{mount},image-subpath=out", "ls /x")  # a link ends in the image
    assert inside.stdout == "greeting\n"
    missing = _run(engine, f"{mount},image-subpath=nosuch", "ls", check=False)
    assert "cannot access path" in missing.stderr
    given = ("--mount", "type=image,source=nosuch,target=/x")
    unknown = engine.docker("create", "--pull=never", *given, "busybox", check=False)
    assert "No such image: nosuch:latest" in unknown.stderr
    assert not list((engine.home / "exec" / "images").iterdir())


def test_the_image_stays_while_a_container_has_it(engine: Engine):
    engine.docker(
        *("run", "-d", "--name", "cc", "--mount", "type=image,source=given,target=/x"),
        *("busybox", "sleep", "60"),
    )
    shown = json.loads(engine.docker("inspect", "-f", "{{json .Mounts}}", "cc").stdout)
    assert [(one["Type"], one["Name"], one["Destination"], one["RW"]) for one in shown] == [
        ("image", "given", "/x", False)
    ]
    assert engine.docker("volume", "ls", "-q").stdout == ""
    refused = engine.docker("rmi", "given", check=False)
    assert "conflict" in refused.stderr
    engine.restart()
    engine.docker("stop", "-t", "0", "cc")
    engine.docker("rmi", "-f", "given")
    engine.docker("image", "prune", "-f")
    engine.docker("start", "cc")
    assert engine.docker("exec", "cc", "cat", "/x/etc/greeting").stdout == "hello\n"
    engine.docker("rm", "-f", "cc")
    engine.docker("image", "prune", "-f")
    layers = {path.name for path in (engine.home / "data" / "snapshots").iterdir()} - {"empty"}
    assert len(layers) == 1, "busybox's"
