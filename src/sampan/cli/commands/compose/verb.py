"""What a verb of `compose` is: like a `Command`, but with the project's options at hand."""

from __future__ import annotations

from sampan.cli.command import PROGRAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flag, Flags


class Verb:
    """`run` gets the compose context, the verb's flags and its arguments."""

    __slots__ = ("flags", "interspersed", "least", "most", "run", "summary", "usage")

    def __init__(
        self,
        run: Callable[[ComposeContext, Flags, list[str]], int],
        usage: str,
        summary: str,
        *,
        flags: Sequence[Flag] = (),
        least: int = 0,
        most: int | None = None,
        interspersed: bool = True,
    ) -> None:
        self.run = run
        self.usage = usage
        self.summary = summary
        self.flags = flags
        self.least = least
        self.most = most
        self.interspersed = interspersed

    def count_complaint(self, count: int) -> str:
        """Why so many arguments don't fit; empty when they do."""
        if count < self.least:
            return f"requires at least {self.least} arg(s), only received {count}"
        if self.most is not None and count > self.most:
            return f"accepts at most {self.most} arg(s), received {count}"
        return ""

    def help(self, name: str) -> str:
        from sampan.cli.usage import flag_lines

        parts = [f"Usage:  {PROGRAM} compose {name} {self.usage}".rstrip(), "", self.summary]
        if any(not flag.hidden for flag in self.flags):
            parts += ["", "Options:", *flag_lines(self.flags)]
        return "\n".join(parts) + "\n"
