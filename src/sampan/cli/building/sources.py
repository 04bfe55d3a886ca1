"""Where a build's files come from: a directory, a URL, or standard input.

.            the directories `context` and `dockerfile` of the session
URL          the engine fetches it
-            a tar is uploaded as it comes; anything else is a Dockerfile without a context
-f -         the Dockerfile from standard input, in a directory of its own
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack

from sampan.cli.archive import pieces, reason
from sampan.cli.buildcontext import ARCHIVES, DEFAULT_NAME, PEEK, REMOTE, TAR_MAGIC
from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

UPLOAD_URL = "http://buildkit-session/"


class Sources:
    """What the session offers and what the request says of it."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.directories: dict[str, str] = {}
        self.uploads: dict[str, Callable[[], Iterable[bytes]]] = {}


def prepare(source: str, dockerfile: str, stack: ExitStack) -> Sources:
    """Temporary directories go away with `stack`. Raises Exit."""
    found = Sources()
    if source == "-":
        _from_stdin(dockerfile, found, stack)
    elif source.startswith(REMOTE) or source.endswith(".git"):
        found.attributes = {"context": source, "filename": dockerfile or DEFAULT_NAME}
        if dockerfile == "-":
            raise Exit(1, "ERROR: a Dockerfile from stdin needs a local context")
    else:
        _from_directory(source, dockerfile, found, stack)
    return found


def _from_directory(source: str, dockerfile: str, found: Sources, stack: ExitStack) -> None:
    if not os.path.isdir(source):  # noqa: PTH112
        kind = "not a directory" if os.path.exists(source) else "not found"  # noqa: PTH110
        raise Exit(1, f'ERROR: unable to prepare context: path "{source}" {kind}')
    found.directories["context"] = source
    if dockerfile == "-":
        _lone(sys.stdin.buffer.read(), found, stack)
        return
    path = dockerfile or os.path.join(source, DEFAULT_NAME)  # noqa: PTH118
    lower = os.path.join(source, DEFAULT_NAME.lower())  # noqa: PTH118
    if not dockerfile and not os.path.lexists(path) and os.path.lexists(lower):
        path = lower
    try:
        os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise Exit(1, f"ERROR: failed to read dockerfile: open {path}: {reason(error)}") from error
    found.directories["dockerfile"] = os.path.dirname(path) or "."  # noqa: PTH120
    found.attributes["filename"] = os.path.basename(path)  # noqa: PTH119


def _from_stdin(dockerfile: str, found: Sources, stack: ExitStack) -> None:
    if dockerfile == "-":
        raise Exit(
            1, "ERROR: invalid argument: can't use stdin for both build context and dockerfile"
        )
    stdin = sys.stdin.buffer
    first = stdin.read(PEEK)
    if not first:
        raise Exit(1, "ERROR: unable to prepare context: build context from stdin is empty")
    if first.startswith(ARCHIVES) or first[TAR_MAGIC] == b"ustar":
        name = os.urandom(12).hex()
        found.uploads[name] = lambda: _prefixed(first, pieces(stdin))
        found.attributes = {
            "context": f"{UPLOAD_URL}{name}",
            "filename": dockerfile or DEFAULT_NAME,
        }
        return
    if dockerfile:
        raise Exit(
            1, "ERROR: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles"
        )
    empty = stack.enter_context(tempfile.TemporaryDirectory(prefix="sampan-context-"))
    found.directories["context"] = empty
    _lone(first + stdin.read(), found, stack)


def _lone(data: bytes, found: Sources, stack: ExitStack) -> None:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sampan-dockerfile-"))
    with open(f"{folder}/{DEFAULT_NAME}", "wb") as file:  # noqa: PTH123
        file.write(data)
    found.directories["dockerfile"] = folder
    found.attributes["filename"] = DEFAULT_NAME


def _prefixed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
