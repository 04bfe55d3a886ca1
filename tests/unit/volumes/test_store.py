import os
from pathlib import Path

import pytest

from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.store.metadata import Database, Documents
from sampan.volumes.store import VolumeStore


@pytest.fixture
def store(tmp_path: Path) -> VolumeStore:
    documents = Documents(Database(tmp_path / "db"), "volume")
    return VolumeStore(documents=documents, root=tmp_path / "volumes")


def test_create_makes_a_directory_once(store: VolumeStore) -> None:
    volume, new = store.create("data", labels={"a": "1"})
    assert new
    assert volume.mountpoint.is_dir()
    assert store.create("data") == (volume, False)
    assert store.get("data").labels == {"a": "1"}


def test_volumes_without_a_name_are_anonymous(store: VolumeStore) -> None:
    volume, _ = store.create()
    assert len(volume.name) == 64
    assert volume.anonymous


@pytest.mark.parametrize("name", ["a", "../x", "a/b", "-x", "a b"])
def test_bad_names_are_refused(store: VolumeStore, name: str) -> None:
    with pytest.raises(InvalidArgument):
        store.create(name)


def test_unknown_drivers_and_options_are_refused(store: VolumeStore) -> None:
    with pytest.raises(NotFound, match="nosuchdriver"):
        store.create("v1", driver="nosuchdriver")
    with pytest.raises(InvalidArgument, match='invalid option: "color"'):
        store.create("v1", options={"color": "red"})
    with pytest.raises(InvalidArgument, match='missing required option: "device"'):
        store.create("v1", options={"type": "tmpfs"})
    assert store.list() == []


def test_remove_deletes_the_data(store: VolumeStore) -> None:
    volume, _ = store.create("data")
    (volume.mountpoint / "file").touch()
    store.remove("data")
    assert not volume.mountpoint.parent.exists()
    with pytest.raises(NotFound, match="no such volume"):
        store.remove("data")


def test_another_driver_for_the_same_name_conflicts(store: VolumeStore) -> None:
    store.create("data")
    with pytest.raises((Conflict, NotFound)):
        store.create("data", driver="other")


def test_copy_up_keeps_owners_modes_links_and_fills_only_empty_volumes(
    store: VolumeStore, tmp_path: Path
) -> None:
    source = tmp_path / "image"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "f").write_text("x")
    os.link(source / "sub" / "f", source / "hard")
    (source / "soft").symlink_to("/outside")
    (source / "sub").chmod(0o1750)
    os.chown(source, 7, 8)
    volume, _ = store.create("data")
    assert store.copy_up(volume, source)
    target = volume.mountpoint
    assert (target.stat().st_uid, target.stat().st_gid) == (7, 8)
    assert (target / "sub").stat().st_mode & 0o7777 == 0o1750
    assert (target / "hard").samefile(target / "sub" / "f")
    assert (target / "soft").readlink() == Path("/outside")
    (source / "new").touch()
    assert not store.copy_up(volume, source)
    assert not (target / "new").exists()


def test_removal_is_not_stopped_by_depth(store: VolumeStore) -> None:
    volume, _ = store.create("deep")
    os.chdir(volume.mountpoint)
    try:
        for _ in range(3000):
            os.mkdir("d")  # noqa: PTH102 - beyond the longest path
            os.chdir("d")
    finally:
        os.chdir("/")
    store.remove("deep")
    assert not volume.mountpoint.parent.exists()


def test_only_what_a_missing_container_left_is_swept(store: VolumeStore, tmp_path: Path) -> None:
    def made(name: str | None = None, owner: str = "") -> str:
        return store.create(name, owner=owner)[0].name

    half, living, shared = made(owner="gone"), made(owner="here"), made(owner="gone")
    kept = made(owner="gone")
    store.disown([kept, "nosuch"])
    users = {made(), made("data"), made("mine", owner="gone")}  # a name is a user's wish
    (tmp_path / "volumes" / ("f" * 64) / "_data").mkdir(parents=True)  # cut short before its record
    (tmp_path / "volumes" / "backup" / "_data").mkdir(parents=True)
    store.sweep({"here"}, {shared})
    assert {volume.name for volume in store.list()} == {living, shared, kept, *users}
    left = {path.name for path in (tmp_path / "volumes").iterdir()}
    assert left == {living, shared, kept, *users, "backup"}
    assert half not in left
