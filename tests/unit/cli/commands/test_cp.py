import base64
import io
import json
import tarfile

import pytest

DIRECTORY = (1 << 31) | 0o755
SYMLINK = (1 << 27) | 0o777


def stat_header(name, mode=0o644, link=""):
    found = {"name": name, "size": 1, "mode": mode, "mtime": "x", "linkTarget": link}
    return {"X-Docker-Container-Path-Stat": base64.b64encode(json.dumps(found).encode()).decode()}


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            if text == "/":
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            if text.startswith("->"):
                info.type, info.linkname = tarfile.SYMTYPE, text[2:]
                tar.addfile(info)
                continue
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


def test_a_file_is_renamed_on_the_way_out(sampan, engine, tmp_path):
    engine.on("GET", "/containers/c/archive", archive(g="hi"), headers=stat_header("g"))
    assert sampan("cp", "c:/tmp/g", str(tmp_path / "back")).status == 0
    assert (tmp_path / "back").read_text() == "hi"


def test_a_directory_goes_into_an_existing_one_under_its_name(sampan, engine, tmp_path):
    body = archive(**{"d": "/", "d/x": "1"})
    engine.on("GET", "/containers/c/archive", body, headers=stat_header("d", DIRECTORY))
    sampan("cp", "c:/d", str(tmp_path))
    assert (tmp_path / "d" / "x").read_text() == "1"
    sampan("cp", "c:/d", str(tmp_path / "new"))
    assert (tmp_path / "new" / "x").read_text() == "1"


def test_the_content_of_a_directory(sampan, engine, tmp_path):
    body = archive(**{"./": "/", "./x": "1"})
    engine.on("GET", "/containers/c/archive", body, headers=stat_header("d", DIRECTORY))
    sampan("cp", "c:/d/.", str(tmp_path / "new"))
    assert (tmp_path / "new" / "x").read_text() == "1"


@pytest.mark.parametrize(
    "files",
    [
        {"d": "/", "d/../../evil": "1"},
        {"d": "/", "d/out": "->..", "d/out/evil": "1"},
        {"d": "/", "d/out": "->/tmp", "d/out/evil": "1"},
    ],
)
def test_an_archive_can_not_write_outside_the_target(sampan, engine, tmp_path, files):
    target = tmp_path / "inner" / "target"
    target.mkdir(parents=True)
    engine.on("GET", "/containers/c/archive", archive(**files), headers=stat_header("d", DIRECTORY))
    sampan("cp", "c:/d", str(target))
    assert [path.name for path in (tmp_path / "inner").iterdir()] == ["target"]
    assert not (tmp_path / "evil").exists()


def test_to_a_directory_and_to_a_new_name(sampan, engine, tmp_path):
    (tmp_path / "f").write_text("x")
    engine.on("HEAD", "/containers/c/archive", headers=stat_header("tmp", DIRECTORY))
    engine.on("PUT", "/containers/c/archive")
    sampan("cp", str(tmp_path / "f"), "c:/tmp")
    assert names(engine.requests[1].body) == ["f"]
    assert engine.requests[1].query["path"] == "/tmp"


def test_to_a_new_name(sampan, engine, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("1")
    engine.on("HEAD", "/containers/c/archive", {"message": "no"}, 404)
    engine.on("PUT", "/containers/c/archive")
    sampan("cp", "-a", str(tmp_path / "d"), "c:/tmp/new")
    put = engine.requests[-1]
    assert names(put.body) == ["new", "new/x"]
    assert put.query == {"copyUIDGID": "true", "noOverwriteDirNonDir": "true", "path": "/tmp"}


def test_a_link_in_the_container_is_resolved_before_copying_to_it(sampan, engine, tmp_path):
    (tmp_path / "f").write_text("x")
    engine.on("HEAD", "/containers/c/archive", headers=stat_header("l", SYMLINK, "real"))
    engine.on("HEAD", "/containers/c/archive", headers=stat_header("real", DIRECTORY))
    engine.on("PUT", "/containers/c/archive")
    sampan("cp", str(tmp_path / "f"), "c:/x/l")
    assert engine.requests[-1].query["path"] == "/x/real"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "must specify at least one container source"),
        (["c:/a", "d:/b"], "copying between containers is not supported"),
        (["/nosuch", "c:/"], "lstat /nosuch: no such file or directory"),
        (["c:/a", "/nosuch/x"], 'invalid output path: directory "/nosuch" does not exist'),
        (["/etc/passwd/", "c:/"], "not a directory"),
    ],
)
def test_refused(sampan, words, message):
    outcome = sampan("cp", *words)
    assert (outcome.status, outcome.err) == (1, message + "\n")


def test_a_file_into_a_directory_that_is_not_there(sampan, engine, tmp_path):
    (tmp_path / "f").write_text("x")
    engine.on("HEAD", "/containers/c/archive", {"message": "no"}, 404)
    assert sampan("cp", str(tmp_path / "f"), "c:/no/").err == "no such directory\n"
