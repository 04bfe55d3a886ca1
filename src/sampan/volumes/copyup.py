"""What a new volume gets from the image: the directory's content, ownership and modes.

Docker's rule: only an empty volume is filled, and the volume's own directory takes over the owner
and mode of the image's directory. Hard links inside the tree stay hard links.
"""

import os
import shutil
import stat
from pathlib import Path


def copy_tree(source: Path, target: Path) -> None:
    """Copy the content of directory `source` into the directory `target`, attributes included."""
    links: dict[tuple[int, int], Path] = {}
    _copy_directory(source, target, links)


def _copy_directory(source: Path, target: Path, links: dict[tuple[int, int], Path]) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            _copy_entry(Path(entry.path), target / entry.name, links)
    _copy_attributes(source, target)


def _copy_entry(source: Path, target: Path, links: dict[tuple[int, int], Path]) -> None:
    facts = source.lstat()
    kind = stat.S_IFMT(facts.st_mode)
    if kind == stat.S_IFDIR:
        target.mkdir()
        _copy_directory(source, target, links)
        return
    identity = (facts.st_dev, facts.st_ino)
    if facts.st_nlink > 1 and identity in links:
        target.hardlink_to(links[identity])
        return
    links[identity] = target
    if kind == stat.S_IFLNK:
        target.symlink_to(source.readlink())
    elif kind == stat.S_IFREG:
        shutil.copyfile(source, target)
    elif kind == stat.S_IFSOCK:
        return  # a socket without its listener is of no use
    else:
        os.mknod(target, facts.st_mode, facts.st_rdev)
    _copy_attributes(source, target)


def _copy_attributes(source: Path, target: Path) -> None:
    facts = source.lstat()
    os.chown(target, facts.st_uid, facts.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(facts.st_mode):
        target.chmod(stat.S_IMODE(facts.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith("trusted.overlay."):
            value = os.getxattr(source, name, follow_symlinks=False)
            os.setxattr(target, name, value, follow_symlinks=False)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns), follow_symlinks=False)
