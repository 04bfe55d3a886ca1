"""The rules of `cp`: where things land and under which name.

They are those of `cp -a`: a source directory goes into an existing directory under its own name,
or becomes the destination when that doesn't exist; `/.` at the end of a source means what is in
it; `/` at the end of a destination means that it must be a directory.
"""

from __future__ import annotations

import os
import posixpath
import stat

from sampan.cli.archive import reason
from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.exchange import Response

# Go's os.FileMode bits, which the engine reports paths with.
GO_DIR = 1 << 31
GO_SYMLINK = 1 << 27


def split_spec(text: str) -> tuple[str, str]:
    """Container and path of an argument; no container for a local path."""
    if text.startswith(("/", ".")) or ":" not in text:
        return "", text
    container, _, path = text.partition(":")
    return container, path


class Source:
    """What is copied: its path as written, and whether it is a directory."""

    __slots__ = ("is_directory", "path", "rename")

    def __init__(self, path: str, *, is_directory: bool, rename: str = "") -> None:
        self.path = path
        self.is_directory = is_directory
        self.rename = rename

    @property
    def base(self) -> str:
        """The name of the archive's root: "." for the content of a directory."""
        return self.rename or base_of(self.path)


def base_of(path: str) -> str:
    if path.endswith(("/.", "/")) or path == ".":
        tail = path.rstrip("/")
        return "." if path.endswith("/.") or path == "." else posixpath.basename(tail)
    return posixpath.basename(path)


def asserts_directory(path: str) -> bool:
    return path.endswith(("/", "/.")) or path == "."


class Target:
    """Where it goes: the path as written and what is there now."""

    __slots__ = ("exists", "is_directory", "path")

    def __init__(self, path: str, *, exists: bool, is_directory: bool) -> None:
        self.path = path
        self.exists = exists
        self.is_directory = is_directory


def plan(source: Source, target: Target) -> tuple[str, str]:
    """The directory to unpack in, and the new name of the archive's root ("" keeps it).

    Raises Exit for a directory onto a file, and for a file into a directory that isn't there.
    """
    if target.exists and target.is_directory:
        return target.path, ""
    if target.exists and source.is_directory:
        raise Exit(1, "cannot copy directory")
    if not target.exists and not source.is_directory and asserts_directory(target.path):
        raise Exit(1, "no such directory")
    path = target.path.removesuffix("/.").rstrip("/") or "/"
    return posixpath.dirname(path) or ("/" if path.startswith("/") else "."), posixpath.basename(
        path
    )


def renamed(name: str, base: str, new: str) -> str:
    """A member's name with the root `base` replaced by `new`."""
    name = name.rstrip("/")
    if base == ".":
        inner = name.removeprefix("./")
        return new if inner in {"", "."} else f"{new}/{inner}"
    if name == base:
        return new
    if name.startswith(base + "/"):
        return new + name[len(base) :]
    return name


def local_target(path: str) -> Target:
    """Raises Exit when the folder that would hold the target isn't there."""
    absolute = os.path.abspath(path) + ("/" if asserts_directory(path) else "")  # noqa: PTH100
    try:
        found = os.stat(absolute)  # noqa: PTH116
    except FileNotFoundError:
        parent = os.path.dirname(absolute.rstrip("/"))  # noqa: PTH120
        if not os.path.isdir(parent):  # noqa: PTH112
            raise Exit(1, f'invalid output path: directory "{parent}" does not exist') from None
        return Target(absolute, exists=False, is_directory=False)
    except OSError as error:
        raise Exit(1, f"stat {absolute}: {reason(error)}") from error
    return Target(absolute, exists=True, is_directory=stat.S_ISDIR(found.st_mode))


def local_source(path: str, *, follow: bool) -> Source:
    """Raises Exit when it isn't there, or isn't the directory it is written as."""
    try:
        found = os.stat(path) if follow or asserts_directory(path) else os.lstat(path)  # noqa: PTH116
    except NotADirectoryError:
        raise Exit(1, "not a directory") from None
    except OSError as error:
        absolute = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
        raise Exit(1, f"lstat {absolute}: {reason(error)}") from error
    is_directory = stat.S_ISDIR(found.st_mode)
    if asserts_directory(path) and not is_directory:
        raise Exit(1, "not a directory")
    return Source(path, is_directory=is_directory)


class ContainerPath:
    """What the engine says of a path in a container."""

    __slots__ = ("is_directory", "link_target", "name")

    def __init__(self, response: Response) -> None:
        import binascii

        from sampan.lib.jsontext import decode

        text = response.headers.get("x-docker-container-path-stat", "")
        found = decode(binascii.a2b_base64(text.encode()))
        mode = int(found["mode"])
        self.name = str(found["name"])
        self.is_directory = bool(mode & GO_DIR)
        self.link_target = str(found.get("linkTarget") or "") if mode & GO_SYMLINK else ""
