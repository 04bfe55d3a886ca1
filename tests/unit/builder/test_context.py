"""The context index: what of a tar COPY can see, and that nothing of it is trusted."""

import bz2
import gzip
import io
import lzma
import tarfile

import pytest
import zstandard

from sampan.builder.context import (
    ContextFileMissing,
    ContextPathForbidden,
    NotAFile,
    ignore_rules,
    read_context,
)
from sampan.builder.selection import (
    SourceMissing,
    SourceOutside,
    content_hash,
    select,
)
from sampan.builder.trees import LinkLoop, resolve
from sampan.errors import SampanError


def archive(*members):
    """Members are (name, content or None for a folder or "->target" for a link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.uid = 1234
            info.mtime = 1_000_000_000
            if content is None:
                info.type = tarfile.DIRTYPE
                info.mode = 0o755
                tar.addfile(info)
            elif isinstance(content, str):
                info.type = tarfile.SYMTYPE
                info.linkname = content.removeprefix("->")
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


FILES = archive(
    ("./", None),
    ("Dockerfile", b"FROM x\n"),
    ("a.txt", b"A" * 1000),
    ("b.txt", b"b"),
    ("dir", None),
    ("dir/inner/i", b"i"),
    ("dir/link", "->../a.txt"),
    ("abs", "->/dir/inner"),
    ("loop", "->loop"),
)


@pytest.fixture
def context(tmp_path):
    with read_context(io.BytesIO(FILES), tmp_path) as tree:
        yield tree


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress],
    ids=["tar", "gz", "bz2", "xz", "zstd"],
)
def test_reads_compressed_archives(compress, tmp_path):
    with read_context(io.BytesIO(compress(FILES)), tmp_path) as tree:
        assert tree.names("") == ["Dockerfile", "a.txt", "abs", "b.txt", "dir", "loop"]
        assert b"".join(tree.data(tree.find("a.txt"))) == b"A" * 1000


def test_missing_parents_are_implied(context):
    assert context.names("dir") == ["inner", "link"]
    assert context.find("dir/inner").kind.name == "DIRECTORY"


def test_owners_of_the_client_do_not_count(context):
    assert context.find("a.txt").uid == 0


def test_links_are_followed_inside_only(context):
    assert resolve(context, "dir/link").path == "a.txt"
    assert resolve(context, "abs/i").path == "dir/inner/i"
    assert resolve(context, "../../../etc/passwd") is None
    with pytest.raises(LinkLoop):
        resolve(context, "loop")


def test_climbing_member_stops_at_the_root(tmp_path):
    tree = read_context(io.BytesIO(archive(("../../etc/x", b"x"))), tmp_path)
    assert tree.read_text("etc/x") == "x"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"garbage\n", FILES[:700], gzip.compress(FILES)[:90]])
def test_damaged_archive(data, tmp_path):
    with pytest.raises(SampanError):
        read_context(io.BytesIO(data), tmp_path)


def test_dockerfile_by_name(context):
    assert context.read_text("./Dockerfile") == "FROM x\n"
    with pytest.raises(ContextFileMissing, match="Cannot locate specified Dockerfile: Nope"):
        context.read_text("Nope")
    with pytest.raises(ContextPathForbidden):
        context.read_text("../x")
    with pytest.raises(NotAFile):
        context.read_text("dir")


def test_ignored_files_are_out_of_sight(tmp_path):
    data = archive(
        (".dockerignore", b"*.log\n!keep.log\nsub\n!sub/in\nDockerfile\n"),
        ("Dockerfile", b""),
        ("a.log", b""),
        ("keep.log", b""),
        ("sub", None),
        ("sub/in", b""),
        ("sub/out", b""),
    )
    with read_context(io.BytesIO(data), tmp_path) as tree:
        seen = tree.without(ignore_rules(tree, "Dockerfile").excluded)
        assert seen.names("") == [".dockerignore", "keep.log", "sub"]
        assert seen.names("sub") == ["in"]


def names(tree, source):
    found = select(tree, source, keyword="COPY", from_context=True)
    return [one.path for one in found]


def test_selection(context):
    assert names(context, "*.txt") == ["a.txt", "b.txt"]
    assert names(context, "/a.txt") == ["a.txt"]
    assert names(context, "d*/inn?r/i") == ["dir/inner/i"]
    assert names(context, "*.nope") == []
    assert names(context, ".") == [""]


def test_selection_failures(context):
    missing = (
        "COPY failed: file not found in build context or excluded by .dockerignore: "
        "stat missing: file does not exist"
    )
    with pytest.raises(SourceMissing) as caught:
        names(context, "missing")
    assert caught.value.message == missing
    with pytest.raises(SourceOutside, match="forbidden path outside the build context"):
        names(context, "../a.txt")


def test_hash_sees_content_and_mode_but_not_time(tmp_path):
    def hashed(content, mode=0o644, mtime=1):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info = tarfile.TarInfo("d/f")
            info.size, info.mode, info.mtime = len(content), mode, mtime
            tar.addfile(info, io.BytesIO(content))
        with read_context(io.BytesIO(out.getvalue()), tmp_path) as tree:
            return content_hash(select(tree, "d", keyword="COPY", from_context=True))

    assert hashed(b"x") == hashed(b"x", mtime=99)
    assert hashed(b"x").startswith("dir:")
    assert len({hashed(b"x"), hashed(b"y"), hashed(b"x", mode=0o600)}) == 3
