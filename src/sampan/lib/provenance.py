"""Which source this program is, and since when it is here: what `version` shows.

From a checkout the commit is what its HEAD names, read from git's own files; an installed package
has no checkout around it and says "unknown". Files come to their place when a package is installed
or a checkout made: that is the time shown as "Built". Python has no other moment of building.

    .git                 a folder, or in a worktree a file: "gitdir: PATH"
      HEAD               a commit, or "ref: refs/heads/..."
      refs/heads/...     the commit, unless it is in
      packed-refs        "COMMIT REF" by line; in a worktree both are in the folder of `commondir`
"""

from pathlib import Path

from sampan.lib import gotime

UNKNOWN = "unknown"
SHORT = 7  # as git and Docker show commits
_PACKAGE = Path(__file__).parents[1]


def commit(package: Path = _PACKAGE) -> str:
    """Short, as `docker version` has it."""
    try:
        return (_head(package.parents[1] / ".git") or UNKNOWN)[:SHORT]
    except OSError:
        return UNKNOWN


def built(package: Path = _PACKAGE) -> str:
    """RFC 3339, or "" when the file system doesn't say."""
    try:
        seconds = int((package / "__init__.py").stat().st_mtime)
    except OSError:
        return ""
    return gotime.format_ns(seconds * gotime.NANOS)


def _head(git: Path) -> str:
    if git.is_file():
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    ref = head.removeprefix("ref:").strip()
    common = git / "commondir"
    if common.exists():
        git /= common.read_text().strip()
    loose = git / ref
    if loose.exists():
        return loose.read_text().strip()
    packed = (line.partition(" ") for line in (git / "packed-refs").read_text().splitlines())
    return next((found for found, _, name in packed if name == ref), "")
