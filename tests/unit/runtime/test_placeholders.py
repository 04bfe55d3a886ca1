from pathlib import Path

from sampan.runtime.placeholders import placeholders


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
