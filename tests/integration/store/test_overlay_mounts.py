"""Snapshots mounted by the kernel: what the layers say is what a container would see."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from sampan.linux.mounts import mount_all, mounts_below, unmount
from sampan.oci.digest import chain_ids, sha256_of
from sampan.store.apply import extract
from sampan.store.diff import changes, write_layer
from sampan.store.metadata import Database
from sampan.store.snapshots import StagedLayer
from sampan.store.snapshotter_overlay import OverlaySnapshotter

pytestmark = pytest.mark.integration


@pytest.fixture
def snapshotter(tmp_path):
    database = Database(tmp_path / "db")
    # a long path, as under /var/lib: the options of the mount must fit all the same
    yield OverlaySnapshotter(tmp_path / ("data-root-" * 8) / "snapshots", database)
    database.close()


@pytest.fixture
def mounted(snapshotter, tmp_path):
    target = tmp_path / "target"
    target.mkdir()

    def mount(key, *, volatile=False):
        mount_all(snapshotter.mounts(key, volatile=volatile), target)
        return target

    yield mount
    while mounts_below(target):
        unmount(target)


def stack(snapshotter, *layers):
    """Commit layers given as {name: data}; returns the chain id of the uppermost."""
    staged, names = [], []
    for files in layers:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        stage = snapshotter.stage()
        found = extract(io.BytesIO(out.getvalue()), stage.path)
        names.append(found.diff_id)
        staged.append(stage)
    chain = chain_ids(names)
    parents = [None, *chain[:-1]]
    snapshotter.commit_stages(
        [
            StagedLayer(stage, name, parent)
            for stage, name, parent in zip(staged, chain, parents, strict=True)
        ]
    )
    return chain[-1]


def test_a_hundred_and_thirty_layers_mount(snapshotter, mounted):
    layers = [{f"f{number}": b"%d" % number, "top": b"%d" % number} for number in range(130)]
    snapshotter.prepare("c", stack(snapshotter, *layers))
    root = mounted("c")
    assert len(list(root.iterdir())) == 131
    assert (root / "top").read_text() == "129"
    (root / "new").write_text("x")
    assert (snapshotter.upper("c") / "new").read_text() == "x"


def test_whiteouts_and_opaque_directories_hide_what_is_below(snapshotter, mounted):
    top = stack(
        snapshotter,
        {"d/x": b"1", "d/y": b"1", "gone": b"1", "dir/old": b"1"},
        {"d/.wh.x": b"", ".wh.gone": b"", "dir/.wh..wh..opq": b"", "dir/new": b"2"},
    )
    snapshotter.prepare("c", top)
    root = mounted("c")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert names == ["d", "d/y", "dir", "dir/new"]


def test_what_a_container_does_becomes_a_layer_that_does_the_same(snapshotter, mounted):
    top = stack(snapshotter, {"etc/a": b"1", "etc/b": b"1", "srv/x": b"1", "moved": b"1"})
    snapshotter.prepare("c", top)
    root = mounted("c")
    (root / "etc/a").write_text("2")
    (root / "etc/b").unlink()
    (root / "srv/x").unlink()
    (root / "srv").rmdir()
    (root / "srv").mkdir()
    (root / "moved").rename(root / "new")
    upper, lowers = snapshotter.upper("c"), snapshotter.lowers("c")
    assert [("CAD"[change.kind], change.path) for change in changes(upper, lowers)] == [
        ("C", "/etc"),
        ("C", "/etc/a"),
        ("D", "/etc/b"),
        ("D", "/moved"),
        ("A", "/new"),
        ("C", "/srv"),
        ("D", "/srv/x"),
    ]
    out = io.BytesIO()
    write_layer(upper, out)
    unmount(root)

    stage = snapshotter.stage()
    extract(io.BytesIO(out.getvalue()), stage.path)
    name = chain_ids([top, sha256_of(out.getvalue())])[-1]
    snapshotter.commit_stage(stage, name, top)
    snapshotter.prepare("again", name)
    root = mounted("again")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert names == ["etc", "etc/a", "new", "srv"]
    assert (root / "etc/a").read_text() == "2"


def test_an_active_snapshot_committed_serves_as_a_parent(snapshotter, mounted):
    snapshotter.prepare("step", None)
    root = mounted("step")
    (root / "made").write_text("1")
    unmount(root)
    name = sha256_of(b"any")
    snapshotter.commit("step", name)
    snapshotter.prepare("c", name)
    assert (mounted("c") / "made").read_text() == "1"


def test_a_committed_snapshot_mounts_read_only(snapshotter, mounted):
    root = mounted(stack(snapshotter, {"f": b"1"}))
    assert (root / "f").read_text() == "1"
    with pytest.raises(OSError, match="Read-only"):
        (root / "f").write_text("2")


def is_volatile(target):
    rows = [row.split() for row in Path("/proc/self/mounts").read_text().splitlines()]
    options = next(row[3].split(",") for row in rows if row[1] == str(target))
    return "volatile" in options or "fsync=volatile" in options  # as newer kernels say


@pytest.mark.parametrize("layers", [1, 130])
def test_a_volatile_mount_may_be_followed_by_another_one(snapshotter, mounted, layers):
    names = [{f"f{number}": b"1"} for number in range(layers)]
    snapshotter.prepare("c", stack(snapshotter, *names))
    for volatile in (True, True, False):
        root = mounted("c", volatile=volatile)
        assert is_volatile(root) is volatile
        with (root / "log").open("ab") as out:
            out.write(b"x")
            os.fsync(out.fileno())
        unmount(root)
    assert (snapshotter.upper("c") / "log").read_bytes() == b"xxx"
