"""Large bodies between an engine and files, standard input and standard output."""

from __future__ import annotations

import os
import sys

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from sampan.client.exchange import Response

CHUNK = 1 << 20


def open_input(path: str) -> BinaryIO:
    """The file, or standard input for "-". Raises Exit with Go's wording."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")  # noqa: PTH123 - the caller reads it to its end
    except OSError as error:
        raise Exit(1, f"open {path}: {reason(error)}") from error


def reason(error: OSError) -> str:
    """The error's text as Go has it, in lower case."""
    return (error.strerror or str(error)).lower()


def pieces(source: BinaryIO) -> Iterator[bytes]:
    while data := source.read(CHUNK):
        yield data


def save_body(response: Response, target: str) -> None:
    """The body to a file that appears only when it is complete, or to standard output."""
    if not target:
        for piece in response.chunks():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    import tempfile

    folder = os.path.dirname(target) or "."  # noqa: PTH120 - as in the rest of this module
    if not os.path.isdir(folder):  # noqa: PTH112
        response.close()
        raise Exit(1, f'invalid output path: directory "{folder}" does not exist')
    if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113
        with open(target, "wb") as device:  # noqa: PTH123
            for piece in response.chunks():
                device.write(piece)
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".sampan-", delete=False) as file:
        try:
            for piece in response.chunks():
                file.write(piece)
            os.chmod(file.name, 0o600)  # noqa: PTH101
            os.rename(file.name, target)  # noqa: PTH104
        except BaseException:
            os.unlink(file.name)  # noqa: PTH108
            raise
