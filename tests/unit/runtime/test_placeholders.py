from pathlib import Path

from sampan.runtime.placeholders import lay, placeholders


def _tree(root: Path, *names: str) -> Path:
    root.mkdir()
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def test_empty_mount_points_are_named(tmp_path: Path) -> None:
    lower = _tree(tmp_path / "lower", "etc/passwd")
    upper = _tree(
        tmp_path / "upper", "etc/hosts", "etc/resolv.conf", "proc/", "dev/pts/", "dev/shm/"
    )
    assert placeholders(upper, [lower]) == {
        *("etc", "etc/hosts", "etc/resolv.conf"),
        *("proc", "dev", "dev/pts", "dev/shm"),
    }


def test_what_the_user_wrote_is_never_named(tmp_path: Path) -> None:
    lower = _tree(tmp_path / "lower", "etc/hostname", "srv/")
    upper = _tree(tmp_path / "upper", "etc/hosts", "etc/hostname", "etc/mine", "dev/mine", "srv/")
    (upper / "etc/hosts").write_text("written by hand")
    assert placeholders(upper, [lower]) == frozenset()


def test_a_directory_with_other_attributes_is_a_change(tmp_path: Path) -> None:
    lower = _tree(tmp_path / "lower", "etc/")
    upper = _tree(tmp_path / "upper", "etc/hosts")
    (upper / "etc").chmod(0o700)
    assert placeholders(upper, [lower]) == {"etc/hosts"}


def test_an_empty_directory_of_the_users_is_not_hidden_by_a_placeholder_elsewhere(
    tmp_path: Path,
) -> None:
    upper = _tree(tmp_path / "upper", ".dockerenv", "sbin/")
    assert placeholders(upper, [_tree(tmp_path / "lower")]) == {".dockerenv"}


def test_what_is_laid_is_what_docker_has_and_is_named(tmp_path: Path) -> None:
    upper = _tree(tmp_path / "upper")
    lay(upper)
    laid = {".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf"}
    assert {path: (upper / path).stat().st_mode for path in laid} == dict.fromkeys(laid, 0o100755)
    assert (upper / "etc/mtab").readlink() == Path("/proc/mounts")
    lay(upper)
    assert placeholders(upper, [_tree(tmp_path / "lower")]) == laid | {"etc", "etc/mtab"}


def test_what_an_image_has_is_left_alone_and_its_links_stay_inside(tmp_path: Path) -> None:
    outside = _tree(tmp_path / "outside")
    root = _tree(tmp_path / "root", "real/hosts")
    (root / "real/hosts").write_text("mine")
    (root / "etc").symlink_to("/real")
    (root / ".dockerenv").symlink_to(outside / "made")
    (root / "real/hostname").symlink_to(outside / "made")
    lay(root)
    assert (root / "real/hosts").read_text() == "mine"
    assert (root / "real/resolv.conf").exists()
    assert not list(outside.iterdir())


def test_a_root_whose_etc_is_a_file_goes_without(tmp_path: Path) -> None:
    root = _tree(tmp_path / "root", "etc")
    lay(root)
    assert (root / "etc").is_file()
