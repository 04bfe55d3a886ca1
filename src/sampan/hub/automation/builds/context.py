"""A folder of a checked-out tree as the tar that an engine builds from. Blocks.

`.dockerignore` is obeyed as docker's client does; the Dockerfile and the ignore file always go
along. Owners become root; links go as links. The folder is looked up inside the tree, links
included, so that a repository can't have files of this machine packed.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.errors import InvalidArgument
from sampan.linux.beneath import resolve_beneath

IGNORE_FILE = ".dockerignore"
_IGNORE_MOST_BYTES = 1 << 20


class NoContext(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"the source has no folder {path}")


class NoDockerfile(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"the source has no file {path}")


def pack(tree: Path, folder: str, dockerfile: str, target: Path) -> None:
    """Raises NoContext, NoDockerfile, BadPattern."""
    root = resolve_beneath(tree, folder)
    if not root.is_dir():
        raise NoContext(folder)
    if not resolve_beneath(root, dockerfile).is_file():
        raise NoDockerfile(os.path.join(folder, dockerfile))  # noqa: PTH118 - a text to show
    rules = _rules(root)
    always = {dockerfile, IGNORE_FILE}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as out:
        for path in _walk(root):
            name = path.relative_to(root).as_posix()
            if name in always or not rules.excluded(name):
                out.add(path, name, recursive=False, filter=_as_root)


def _rules(root: Path) -> IgnoreRules:
    found = resolve_beneath(root, IGNORE_FILE)
    if not found.is_file():
        return IgnoreRules()
    with found.open("rb") as source:
        return IgnoreRules(source.read(_IGNORE_MOST_BYTES).decode("utf-8", "replace"))


def _walk(root: Path) -> Iterator[Path]:
    """Everything below, folders before what is in them; links aren't followed."""
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted([*names, *files]):
            yield Path(folder, name)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= 0o644 if not member.isdir() else 0o755
    return member
