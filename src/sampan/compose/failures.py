"""What is wrong with a Compose file, with where: file, line and key.

The wording follows Docker Compose, whose users search for its messages; file and line at the end
are our addition.
"""

from collections.abc import Sequence

from sampan.errors import InvalidArgument, NotFound

Path = tuple[str, ...]


def dotted(path: Sequence[str]) -> str:
    return ".".join(path)


class ComposeError(InvalidArgument):
    """`file`, `line` (0: unknown) and `key` (dotted, may be empty) say where the fault lies."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, key: str = "") -> None:
        where = f"line {line}" if file in message else f"{file}, line {line}"
        super().__init__(f"{message} ({where})" if line else message)
        self.file = file
        self.line = line
        self.key = key


class BadSyntax(ComposeError):
    """Not YAML, or YAML that Compose files may not contain."""

    def __init__(self, file: str, line: int, problem: str, column: int = 0) -> None:
        where = f"line {line}" + (f", column {column}" if column else "")
        super().__init__(f"failed to parse {file}: yaml: {where}: {problem}", file=file)
        self.line = line


class BadKey(ComposeError):
    """A value that can't be right; `path` leads to it.

    `problem` follows the path in the message, behind `joint`; with `whole` it is the message.
    """

    def __init__(self, path: Path, problem: str, *, joint: str = ": ", whole: bool = False) -> None:
        self.text = problem if whole or not path else f"{dotted(path)}{joint}{problem}"
        super().__init__(self.text, key=dotted(path))
        self.path = path

    def located(self, file: str, line: int, prefix: str = "") -> ComposeError:
        return ComposeError(f"{prefix}{self.text}", file=file, line=line, key=self.key)


class FileMissing(NotFound):
    """A file that was named, or that a project needs, isn't there."""
