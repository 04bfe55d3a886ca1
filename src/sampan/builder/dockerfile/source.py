"""Where a piece of a Dockerfile stands, and the two ways in which its text can be wrong.

The wording follows the classic builder: a text that can't be split into instructions is
"failed to parse Dockerfile: ...", an instruction that makes no sense is "dockerfile parse error
line N: ...". Both carry the range, so that a client may underline it.
"""

from dataclasses import dataclass

from sampan.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class SourceRange:
    """Physical lines, counted from 1, both ends included."""

    first_line: int
    last_line: int


class DockerfileSyntax(InvalidArgument):
    """The text doesn't split into instructions."""

    def __init__(self, reason: str, where: SourceRange | None = None) -> None:
        super().__init__(f"failed to parse Dockerfile: {reason}")
        self.reason = reason
        self.where = where


class BadInstruction(InvalidArgument):
    """An instruction that is unknown or has wrong arguments."""

    def __init__(self, reason: str, where: SourceRange) -> None:
        super().__init__(f"dockerfile parse error line {where.first_line}: {reason}")
        self.reason = reason
        self.where = where
