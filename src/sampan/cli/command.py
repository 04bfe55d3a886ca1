"""What a verb is, and the ways a command line ends.

A verb's module holds one `Command` per spelling: usage, flags, how many arguments, and `run`.
`run` gets the context, its flags and its arguments and returns the exit status.
"""

from __future__ import annotations

from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context
    from sampan.cli.flags import Flag, Flags

PROGRAM = "sampan"


class Command:
    """One verb.

    `usage` is what follows the verb's words, `least` and `most` count arguments (None: any
    number), `aliases` the other spellings. `interspersed` is off for verbs that pass the words
    after their first argument on to a program. `failure_status` is the exit status of a failed
    request: 125 for `run`, so that it can't be taken for the program's own. A `raw` verb gets all
    its words unread.
    """

    __slots__ = (
        "aliases",
        "description",
        "failure_status",
        "flags",
        "interspersed",
        "least",
        "most",
        "raw",
        "run",
        "usage",
    )

    def __init__(
        self,
        run: Callable[[Context, Flags, list[str]], int],
        usage: str,
        *,
        flags: Sequence[Flag] = (),
        least: int = 0,
        most: int | None = 0,
        aliases: Sequence[str] = (),
        interspersed: bool = True,
        failure_status: int = 1,
        description: str = "",
        raw: bool = False,
    ) -> None:
        self.run = run
        self.usage = usage
        self.flags = flags
        self.least = least
        self.most = most
        self.aliases = aliases
        self.interspersed = interspersed
        self.failure_status = failure_status
        self.description = description
        self.raw = raw

    def count_complaint(self, count: int) -> str:
        """Why `count` arguments don't fit; empty when they do."""
        least, most = self.least, self.most
        if count >= least and (most is None or count <= most):
            return ""
        if most == 0:
            return "accepts no arguments"
        if most is None:
            return f"requires at least {_arguments(least)}"
        if least == most:
            return f"requires {_arguments(least)}"
        if least == 0:
            return f"requires at most {_arguments(most)}"
        return f"requires at least {least} and at most {_arguments(most)}"


def _arguments(count: int) -> str:
    return f"{count} argument" if count == 1 else f"{count} arguments"


class Exit(SampanError):
    """Ends the command with a status; the message (may be empty) goes to standard error."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
