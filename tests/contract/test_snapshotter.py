# ruff: noqa: PTH208 - names are what is compared
"""What every snapshotter must do; each implementation is one parameter."""

import os
import shutil

import pytest

from sampan.errors import AlreadyExists, Conflict, NotFound
from sampan.oci.digest import sha256_of
from sampan.store.metadata import Database
from sampan.store.snapshots import StagedLayer, Usage
from sampan.store.snapshotter_overlay import OverlaySnapshotter

ONE, TWO, THREE = (sha256_of(text) for text in (b"1", b"2", b"3"))


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path / "db")
    yield found
    found.close()


@pytest.fixture(params=[OverlaySnapshotter])
def snapshotter(request, tmp_path, database):
    return request.param(tmp_path / "snapshots", database)


def layer(snapshotter, name, parent=None, files=("f",)):
    stage = snapshotter.stage()
    for file in files:
        (stage.path / file).write_text(name)
    snapshotter.commit_stage(stage, name, parent)


def test_a_stage_becomes_a_layer(snapshotter):
    layer(snapshotter, ONE)
    assert snapshotter.exists(ONE)
    assert (snapshotter.upper(ONE) / "f").read_text() == ONE
    assert snapshotter.usage(ONE) == Usage(len(ONE), 1)
    assert snapshotter.get(ONE).committed


def test_a_layer_that_is_there_drops_the_second_stage(snapshotter, tmp_path):
    layer(snapshotter, ONE)
    before = sorted(os.listdir(tmp_path / "snapshots"))
    layer(snapshotter, ONE, files=("g",))
    assert os.listdir(snapshotter.upper(ONE)) == ["f"]
    assert sorted(os.listdir(tmp_path / "snapshots")) == before


def test_a_chain_is_committed_wholly_or_not_at_all(snapshotter):
    stages = [snapshotter.stage() for _ in range(2)]
    with pytest.raises(NotFound):
        snapshotter.commit_stages(
            [StagedLayer(stages[0], ONE, None), StagedLayer(stages[1], TWO, THREE)]
        )
    assert not snapshotter.exists(ONE)
    snapshotter.commit_stages(
        [StagedLayer(stages[0], ONE, None), StagedLayer(stages[1], TWO, ONE, Usage(5, 1))]
    )
    assert snapshotter.parent(TWO) == ONE
    assert snapshotter.chain_usage(TWO).size_bytes == 5


def test_dropping_a_stage_is_idempotent_and_spares_committed_ones(snapshotter):
    stage = snapshotter.stage()
    snapshotter.drop_stage(stage)
    snapshotter.drop_stage(stage)
    assert not stage.path.exists()
    stage = snapshotter.stage()
    snapshotter.commit_stage(stage, ONE, None)
    snapshotter.drop_stage(stage)
    assert stage.path.exists()


def test_active_snapshots_know_what_is_below(snapshotter):
    layer(snapshotter, ONE)
    layer(snapshotter, TWO, ONE)
    snapshotter.prepare("c", TWO)
    assert snapshotter.lowers("c") == [snapshotter.upper(TWO), snapshotter.upper(ONE)]
    assert not snapshotter.get("c").committed
    (snapshotter.upper("c") / "x").write_text("abc")
    assert snapshotter.usage("c") == Usage(3, 1)


def test_prepare_refuses_taken_keys_and_unknown_parents(snapshotter, tmp_path):
    snapshotter.prepare("c", None)
    before = sorted(os.listdir(tmp_path / "snapshots"))
    with pytest.raises(AlreadyExists):
        snapshotter.prepare("c", None)
    with pytest.raises(NotFound):
        snapshotter.prepare("d", ONE)
    assert sorted(os.listdir(tmp_path / "snapshots")) == before


def test_the_root_directory_of_an_active_snapshot_is_that_of_its_parent(snapshotter):
    stage = snapshotter.stage()
    stage.path.chmod(0o1750)
    os.chown(stage.path, 3, 4)
    snapshotter.commit_stage(stage, ONE, None)
    snapshotter.prepare("c", ONE)
    found = snapshotter.upper("c").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o1750, 3, 4)


def test_commit_turns_an_active_snapshot_into_a_layer(snapshotter):
    layer(snapshotter, ONE)
    snapshotter.prepare("c", ONE)
    (snapshotter.upper("c") / "x").write_text("abc")
    snapshotter.commit("c", TWO)
    assert not snapshotter.exists("c")
    assert snapshotter.parent(TWO) == ONE
    assert snapshotter.usage(TWO) == Usage(3, 1)
    snapshotter.prepare("d", ONE)
    snapshotter.commit("d", TWO)  # is there already
    assert not snapshotter.exists("d")
    assert (snapshotter.upper(TWO) / "x").exists()


def test_what_others_depend_on_cannot_be_removed(snapshotter):
    layer(snapshotter, ONE)
    snapshotter.prepare("c", ONE)
    with pytest.raises(Conflict):
        snapshotter.remove(ONE)
    snapshotter.remove("c")
    snapshotter.remove("c")
    snapshotter.remove(ONE)
    assert list(snapshotter.walk()) == []
    with pytest.raises(NotFound):
        snapshotter.upper(ONE)


def test_directories_that_nobody_names_are_garbage_at_start(snapshotter, database, tmp_path):
    layer(snapshotter, ONE)
    snapshotter.prepare("c", ONE)
    snapshotter.stage()  # of a process that died
    kept = {snapshotter.upper(ONE), snapshotter.upper("c")}
    again = type(snapshotter)(tmp_path / "snapshots", database)
    again.clean()
    assert {path.parent for path in kept} | {tmp_path / "snapshots/empty"} == set(
        (tmp_path / "snapshots").iterdir()
    )


def test_an_active_snapshot_whose_directory_is_lost_is_made_anew(snapshotter, tmp_path):
    layer(snapshotter, ONE)
    snapshotter.upper(ONE).chmod(0o711)
    snapshotter.prepare("active", ONE)
    snapshotter.prepare("whole", ONE)
    (snapshotter.upper("whole") / "written").touch()
    shutil.rmtree(snapshotter.upper("active").parent)
    snapshotter.clean()
    assert os.listdir(snapshotter.upper("active")) == []
    assert snapshotter.upper("active").stat().st_mode & 0o777 == 0o711
    assert os.listdir(snapshotter.upper("whole")) == ["written"]
    snapshotter.remove("active")


def test_hard_links_are_counted_once(snapshotter):
    stage = snapshotter.stage()
    (stage.path / "a").write_text("12345")
    (stage.path / "b").hardlink_to(stage.path / "a")
    snapshotter.commit_stage(stage, ONE, None)
    assert snapshotter.usage(ONE).size_bytes == 5
