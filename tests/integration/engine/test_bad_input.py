"""Malformed archives, images, registries, Dockerfiles: Docker's words, and nothing left behind."""

import gzip
import io
import json
import os
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.harness import Engine, busybox_rootfs
from integration.scripted_registry import Handler, ScriptedRegistry, digest_of, layer_tar
from integration.wholeness import flaws

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

SECRET = b"not for containers"


class Member:
    """One member of an archive, however mad."""

    def __init__(self, name: str, data: bytes = b"", *, kind: bytes = b"", link: str = "") -> None:
        self.info = tarfile.TarInfo(name)
        self.info.size, self.info.linkname = len(data), link
        self.info.type = kind or tarfile.REGTYPE
        self.data = data


def symlink(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, link=target)


def hard_link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.LNKTYPE, link=target)


def archive(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for member in members:
            made.addfile(member.info, io.BytesIO(member.data))
    return out.getvalue()


@pytest.fixture
def engine(file_engine: Engine) -> Iterator[Engine]:
    """What a test leaves in it is an error."""
    engine = file_engine
    before = engine.docker("images", "-aq").stdout
    engine.docker("create", "--name", "box", "busybox")
    yield engine
    engine.docker("rm", "-f", "box")
    engine.docker("image", "prune", "-f")
    assert engine.docker("images", "-aq").stdout == before
    assert engine.docker("ps", "-aq").stdout == ""
    assert flaws(engine) == []
    assert "Traceback" not in engine.log.read_text()


# --- archives ---------------------------------------------------------------------------------

HARMFUL = {
    "dotdot": [Member("../../../../../..{outside}/escaped", b"x")],
    "symlink": [symlink("way", "{outside}"), Member("way/escaped", b"x")],
    "relative_symlink": [
        symlink("way", "../../../../../../{outside}"),
        Member("way/escaped", b"x"),
    ],
    "link_over_link": [
        symlink("way", "{outside}/secret"),
        Member("way", b"overwritten"),
        hard_link("copy", "way"),
        Member("copy", b"overwritten"),
    ],
    "hard_link": [hard_link("copy", "../../../../../..{outside}/secret")],
    "absolute_hard_link": [hard_link("copy", "{outside}/secret")],
    "hard_link_through_symlink": [symlink("way", "{outside}"), hard_link("copy", "way/secret")],
    "root_symlink": [symlink("way", "/"), Member("way{outside}/escaped", b"x")],
    "self_symlink": [symlink("way", "way"), Member("way/escaped", b"x")],
}


def _aimed(members: list[Member], outside: Path) -> bytes:
    for member in members:
        for field in ("name", "linkname"):
            text = getattr(member.info, field).replace("{outside}", str(outside))
            setattr(member.info, field, text)
    return archive(*members)


Feed = Callable[[Engine, bytes], bool]  # give the archive to the engine; was it taken?


def _copy(engine: Engine, data: bytes) -> bool:
    return engine.docker("cp", "-", "box:/tmp", stdin=data, check=False).returncode == 0


def _import(engine: Engine, data: bytes) -> bool:
    done = engine.docker("import", "-", "evil", stdin=data, check=False)
    if done.returncode == 0:
        engine.docker("rmi", "evil")
    return done.returncode == 0


def _context(engine: Engine, data: bytes) -> bool:
    first = archive(Member("Dockerfile", b"FROM busybox\nCOPY . /copied\n"))
    done = engine.docker("build", "-t", "evil", "-", stdin=first[:1024] + data, check=False)
    return _built(engine, done.returncode)


def _add(engine: Engine, data: bytes) -> bool:
    dockerfile = b"FROM busybox\nADD evil.tar /added/\n"
    context = archive(Member("Dockerfile", dockerfile), Member("evil.tar", data))
    return _built(
        engine, engine.docker("build", "-t", "evil", "-", stdin=context, check=False).returncode
    )


def _built(engine: Engine, status: int) -> bool:
    if status == 0:
        engine.docker("rmi", "evil")
    return status == 0


def _pull(engine: Engine, data: bytes) -> bool:
    with ScriptedRegistry() as registry:
        name = registry.add("evil", data)
        done = engine.docker("pull", name, check=False)
        if done.returncode == 0:
            engine.docker("rmi", name)
    return done.returncode == 0


@pytest.mark.parametrize("feed", [_copy, _import, _context, _add, _pull])
@pytest.mark.parametrize("name", HARMFUL)
def test_archives_change_nothing_outside_of_their_target(engine, tmp_path, name, feed):
    (tmp_path / "secret").write_bytes(SECRET)
    members = [
        Member(one.info.name, one.data, kind=one.info.type, link=one.info.linkname)
        for one in HARMFUL[name]
    ]
    taken = feed(engine, _aimed(members, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_bytes() == SECRET
    if name in {"hard_link", "absolute_hard_link", "hard_link_through_symlink"}:
        assert not taken


@pytest.mark.parametrize("form", ["truncated", "header", "noise", "gzip", "empty_json", "missing"])
def test_damaged_archives_are_refused_by_load(engine: Engine, tmp_path: Path, form: str):
    engine.docker("save", "-o", tmp_path / "saved", "busybox")
    saved = (tmp_path / "saved").read_bytes()
    manifest = [{"Config": "nosuch.json", "RepoTags": ["evil:latest"], "Layers": ["nosuch.tar"]}]
    data, message = {
        "truncated": (saved[: len(saved) // 2], "unexpected EOF"),
        "header": (saved[:100], "unexpected EOF"),
        "noise": (os.urandom(5000), "invalid tar header"),
        "gzip": (gzip.compress(saved)[:5000], "unexpected EOF"),
        "empty_json": (archive(Member("manifest.json", b"{}")), "manifest.json"),
        "missing": (
            archive(Member("manifest.json", json.dumps(manifest).encode())),
            "nosuch.json",
        ),
    }[form]
    done = engine.docker("load", stdin=data, check=False)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "evil" not in engine.docker("images").stdout


def test_layers_that_are_not_what_the_config_says_are_refused_by_load(engine: Engine):
    config = {"os": "linux", "architecture": "amd64"}
    config["rootfs"] = {"type": "layers", "diff_ids": [digest_of(b"something else")]}
    manifest = [{"Config": "c.json", "RepoTags": ["evil:latest"], "Layers": ["l.tar"]}]
    data = archive(
        Member("c.json", json.dumps(config).encode()),
        Member("l.tar", layer_tar({"file": b"x"})),
        Member("manifest.json", json.dumps(manifest).encode()),
    )
    done = engine.docker("load", stdin=data, check=False)
    assert done.returncode == 1
    assert "expected" in done.stdout + done.stderr
    assert "evil" not in engine.docker("images").stdout


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\1" * 5000, "invalid tar header"), (busybox_rootfs()[:100_000], "unexpected EOF")],
)
def test_damaged_archives_are_refused_by_import_and_cp(engine: Engine, data: bytes, message: str):
    for argv in (("import", "-", "evil"), ("cp", "-", "box:/tmp")):
        done = engine.docker(*argv, stdin=data, check=False)
        assert done.returncode == 1
        assert message in done.stderr


# --- registries -------------------------------------------------------------------------------


def _altered(handler: Handler, blob: bytes) -> None:
    handler.answer(blob[:-1] + bytes([blob[-1] ^ 1]))


def _other(handler: Handler, blob: bytes) -> None:
    handler.answer(gzip.compress(layer_tar({"trojan": b"x"})))


def _shorter(handler: Handler, blob: bytes) -> None:
    handler.answer(blob[: len(blob) // 2])


def _cut_off(handler: Handler, blob: bytes) -> None:
    handler.begin(len(blob))
    handler.wfile.write(blob[: len(blob) // 2])
    handler.close_connection = True


def _missing(handler: Handler, blob: bytes) -> None:
    handler.send_error(404)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_altered, "filesystem layer verification failed for digest sha256:"),
        (_other, "filesystem layer verification failed for digest sha256:"),
        (_shorter, "filesystem layer verification failed for digest sha256:"),
        (_cut_off, "unexpected EOF"),
        (_missing, "404"),
    ],
)
def test_pull_takes_no_layer_but_the_right_one(engine: Engine, fault, message):
    with ScriptedRegistry() as registry:
        name = registry.add("app", busybox_rootfs(), layer_tar({"big": os.urandom(100_000)}))
        registry.faults[registry.layers_of("app")[1]] = fault
        done = engine.docker("pull", name, check=False)
        assert done.returncode == 1
        assert message in done.stderr
        registry.faults.clear()
        engine.docker("pull", name)
    engine.docker("rmi", name)


def test_pull_takes_no_manifest_and_no_config_but_the_right_ones(engine: Engine):
    with ScriptedRegistry() as registry:
        name = registry.add("app", busybox_rootfs())
        good = registry.manifests["app/latest"]
        registry.manifests[f"app/{digest_of(good)}"] = good + b" "
        by_digest = f"{registry.host}/app@{digest_of(good)}"
        done = engine.docker("pull", by_digest, check=False)
        assert "manifest verification failed for digest sha256:" in done.stderr
        config = json.loads(good)["config"]["digest"]
        registry.faults[config] = _altered
        done = engine.docker("pull", name, check=False)
        assert "image config verification failed for digest sha256:" in done.stderr
        for body in (b"", b"{}", b"[]", b"not json", good.replace(b"sha256:", b"sha1:")):
            registry.manifests["app/latest"] = body
            assert engine.docker("pull", name, check=False).returncode == 1
        missing = engine.docker("pull", f"{registry.host}/nosuch", check=False)
        assert f"manifest for {registry.host}/nosuch:latest not found" in missing.stderr


# --- builds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("FROM busybox\n\nRUNN x\n", 1, "dockerfile parse error line 3: unknown instruction: RUNN"),
        ("FROM\n", 1, "dockerfile parse error line 1: FROM requires either one or three arguments"),
        ("FROM busybox\nCOPY\n", 1, "dockerfile parse error line 2: COPY requires at least two"),
        (
            "FROM busybox\nRUN --nosuch x\n",
            1,
            "dockerfile parse error line 2: Unknown flag: nosuch",
        ),
        ("FROM busybox AS 1x\n", 1, 'line 1: invalid name for build stage: "1x"'),
        ("RUN x\n", 1, "no build stage in current context"),
        ("", 1, "the Dockerfile (Dockerfile) cannot be empty"),
        ("FROM busybox\nCOPY nosuch /\n", 1, "COPY failed: file not found in build context"),
        ("FROM busybox\nCOPY ../x /\n", 1, "forbidden path outside the build context: ../x"),
        ("FROM busybox\nEXPOSE foo\n", 1, "Invalid containerPort: foo"),
        ("FROM busybox\nRUN exit 7\n", 7, "returned a non-zero code: 7"),
        ('FROM busybox\nRUN ["nosuch"]\n', 1, "executable file not found"),
        ("FROM busybox\nUSER nosuch\nRUN true\n", 1, "unable to find user nosuch"),
        ("FROM Bad\n", 1, "must be lowercase"),
    ],
)
def test_dockerfile_mistakes_are_told_with_their_line(engine: Engine, text, status, message):
    context = archive(Member("Dockerfile", text.encode()))
    done = engine.docker("build", "-t", "half", "-", stdin=context, check=False)
    assert done.returncode == status
    assert message in done.stderr
    assert "half" not in engine.docker("images").stdout


def test_failing_steps_show_all_that_they_wrote(engine: Engine):
    text = b"FROM busybox\nRUN for i in 1 2 3 4 5; do echo said $i >&2; usleep 500; done; exit 3\n"
    context = archive(Member("Dockerfile", text))
    for _ in range(5):
        done = engine.docker("build", "-", stdin=context, check=False)
        assert done.returncode == 3
        assert done.stdout.count("said ") == 6, done.stdout  # the instruction is shown, too


# --- the API ----------------------------------------------------------------------------------


CREATE = "POST /v1.51/containers/create"


@pytest.mark.parametrize(
    ("request_line", "body", "status"),
    [
        ("POST /v1.51/containers/create", b"{", 400),
        ("POST /v1.51/containers/create", b'{"Image": 5}', 400),
        ("POST /v1.51/containers/create", b'{"Image": "busybox", "HostConfig": []}', 400),
        ("POST /v1.51/containers/nosuch/start", b"", 404),
        ("POST /v1.51/containers/box/resize?h=x&w=y", b"", 400),
        ("POST /v1.51/containers/box/kill?signal=NOSUCH", b"", 400),
        ("GET /v1.51/containers/json?filters=nonsense", b"", 400),
        ("GET /v1.51/containers/json?limit=x", b"", 400),
        ("GET /v1.51/containers/..%2f..%2fetc/json", b"", 404),
        ("GET /v1.51/images/..%2f..%2fetc/json", b"", 400),
        ("GET /v1.51/nosuch", b"", 404),
        ("GET /v9.99/info", b"", 400),
        ("GET /v1.0/info", b"", 400),
        ("PUT /v1.51/containers/box/archive?path=/nosuch", b"", 404),
        ("POST /v1.51/volumes/create", b'{"Name": "../x"}', 400),
        ("POST /v1.51/networks/create", b'{"Name": ""}', 400),
        (CREATE, b'{"Image": "busybox", "HostConfig": {"Memory": 1180591620717411303424}}', 400),
        (CREATE, b'{"Image": "busybox", "HostConfig": {"ConsoleSize": [1, 2, 3]}}', 400),
        (CREATE, b'{"Image": "busybox", "HostConfig": {"Binds": ["/no\\u0000such:/x"]}}', 400),
        ("POST /v1.51/containers/box/exec", b'{"Cmd": ["a"], "ConsoleSize": [1]}', 400),
        ("POST /v1.51/containers/box/exec", b'{"Cmd": ["a"], "ConsoleSize": [-1, 1]}', 400),
    ],
)
def test_requests_that_cannot_be_right_get_a_4xx(engine: Engine, request_line, body, status):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(engine.socket))
        head = f"{request_line} HTTP/1.0\r\nContent-Type: application/json\r\n"
        client.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = client.makefile("rb").read()
    head, _, text = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status, answer
    assert json.loads(text)["message"]
