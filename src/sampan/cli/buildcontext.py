"""What `build` sends: a directory without what `.dockerignore` excludes, a tar, or a Dockerfile.

The Dockerfile and `.dockerignore` always go along, excluded or not: the engine reads them and
keeps them from COPY. A Dockerfile from standard input or from outside the context travels as an
extra file with a random name.
"""

from __future__ import annotations

import os
import sys

from sampan.cli.archive import pieces, reason
from sampan.cli.command import Exit
from sampan.cli.tarring import END, Packer, bytes_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_NAME = "Dockerfile"
IGNORE_NAME = ".dockerignore"
ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
TAR_MAGIC = slice(257, 262)
PEEK = 512
REMOTE = ("http://", "https://", "git://", "git@", "github.com/")


class BuildContext:
    """The stream to send, the Dockerfile's name in it, and a remote URL instead of a stream."""

    __slots__ = ("body", "dockerfile", "remote")

    def __init__(self, body: Iterator[bytes] | None, dockerfile: str, remote: str = "") -> None:
        self.body = body
        self.dockerfile = dockerfile
        self.remote = remote


def prepare(source: str, dockerfile: str) -> BuildContext:
    """Raises Exit when the context or the Dockerfile isn't there."""
    if source == "-":
        return _from_stdin(dockerfile)
    if source.startswith(REMOTE) or source.endswith(".git"):
        return BuildContext(None, dockerfile or DEFAULT_NAME, source)
    return _from_directory(source, dockerfile)


def _from_stdin(dockerfile: str) -> BuildContext:
    if dockerfile == "-":
        raise Exit(1, "invalid argument: can't use stdin for both build context and dockerfile")
    stdin = sys.stdin.buffer
    first = stdin.read(PEEK)
    if not first:
        raise Exit(1, "unable to prepare context: build context from stdin is empty")
    if first.startswith(ARCHIVES) or first[TAR_MAGIC] == b"ustar":
        return BuildContext(_prefixed(first, pieces(stdin)), dockerfile or DEFAULT_NAME)
    data = first + stdin.read()
    return BuildContext(_lone_dockerfile(data), DEFAULT_NAME)


def _prefixed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _lone_dockerfile(data: bytes) -> Iterator[bytes]:
    yield from bytes_member(DEFAULT_NAME, data)
    yield END


def _from_directory(source: str, dockerfile: str) -> BuildContext:
    if not os.path.exists(source):  # noqa: PTH110
        raise Exit(1, f'unable to prepare context: path "{source}" not found')
    if not os.path.isdir(source):  # noqa: PTH112
        raise Exit(
            1,
            f"unable to prepare context: context must be a directory: {os.path.abspath(source)}",  # noqa: PTH100
        )
    root = os.path.realpath(source)
    extra: dict[str, bytes] = {}
    if dockerfile == "-":
        name = _random_name()
        extra[name] = sys.stdin.buffer.read()
    else:
        path = _locate(root, dockerfile)
        relative = os.path.relpath(path, root)
        if relative.startswith("../"):
            name = _random_name()
            with open(path, "rb") as file:  # noqa: PTH123
                extra[name] = file.read()
        else:
            name = relative
    skip = _skipping(root, name, extra)
    return BuildContext(_pack(root, skip, extra), name)


def _random_name() -> str:
    return f".dockerfile.{os.urandom(10).hex()}"


def _locate(root: str, dockerfile: str) -> str:
    """The Dockerfile's real path: named relative to here, or the context's own."""
    path = os.path.abspath(dockerfile) if dockerfile else f"{root}/{DEFAULT_NAME}"  # noqa: PTH100
    lower = f"{root}/{DEFAULT_NAME.lower()}"
    if not dockerfile and not os.path.lexists(path) and os.path.lexists(lower):
        path = lower
    try:
        os.lstat(path)
    except OSError as error:
        raise Exit(
            1,
            "unable to prepare context: unable to evaluate symlinks in Dockerfile path: "
            f"lstat {path}: {reason(error)}",
        ) from error
    return os.path.realpath(path)


def _skipping(
    root: str, dockerfile: str, extra: dict[str, bytes]
) -> Callable[[str, bool], bool] | None:
    """Says which paths stay behind; None when nothing does."""
    from sampan.builder.dockerfile.ignore import IgnoreRules

    path = f"{root}/{IGNORE_NAME}"
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            text = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Exit(1, f"open {path}: {reason(error)}") from error
    rules = IgnoreRules(text)
    if not rules:
        return None
    always = {dockerfile, IGNORE_NAME}
    if extra:
        # The engine applies the file again: the extra Dockerfile must not reach COPY.
        extra[IGNORE_NAME] = (text + "\n" + dockerfile + "\n").encode("utf-8", "surrogateescape")
        always.discard(IGNORE_NAME)
        return lambda relative, _folder: (
            relative == IGNORE_NAME or (relative not in always and rules.excluded(relative))
        )
    return lambda relative, _folder: relative not in always and rules.excluded(relative)


def _pack(
    root: str, skip: Callable[[str, bool], bool] | None, extra: dict[str, bytes]
) -> Iterator[bytes]:
    packer = Packer(owner=(0, 0))
    yield from packer.tree(root, "", skip)
    for name, data in extra.items():
        yield from bytes_member(name, data)
    yield END
