"""Splitting a command line into words, as Docker Compose does: no expansion of any kind.

Quotes group; a backslash takes the next character as it is (`\\n` and `\\t` are the control
characters), but not inside single quotes. Backticks and `$(...)` group too and stay in the word.
An unquoted `;`, `&`, `|`, `<` or `>` silently ends the command.
"""

from sampan.errors import InvalidArgument

_CONTROLS = {"t": "\t", "n": "\n"}
_SPACES = " \t\r\n"


class BadCommandLine(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid command line string: {text}")


def split(text: str) -> tuple[str, ...]:
    """The words; raises BadCommandLine for an open quote or bracket."""
    words: list[str] = []
    current, started, escaped = "", False, False
    quote = ""  # the sign that ends the group we're in: " ' ` or )
    for sign in text:
        if escaped:
            current, started, escaped = current + _CONTROLS.get(sign, sign), True, False
        elif sign == "\\" and quote != "'":
            escaped = True
        elif quote:
            if sign == quote:
                quote = ""
                started = True
                current += sign if sign in "`)" else ""
            else:
                current += sign
        elif sign in _SPACES:
            if started:
                words.append(current)
            current, started = "", False
        elif sign in "'\"`":
            quote = sign
            current += sign if sign == "`" else ""
        elif sign == "(" and current.endswith("$"):
            quote = ")"
            current += sign
        elif sign in "()":
            raise BadCommandLine(text)
        elif sign in ";&|<>":
            started = started and not (sign == ">" and current[:1].isdecimal())
            break
        else:
            current, started = current + sign, True
    if quote or escaped:
        raise BadCommandLine(text)
    return (*words, current) if started else tuple(words)
