"""Signal names and numbers as Docker's clients write them. Pure."""

import signal

from sampan.errors import InvalidArgument

_HIGHEST = 64  # SIGRTMAX


class InvalidSignal(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid signal: {text}")


def parse_signal(text: str) -> int:
    """ "SIGTERM", "term", "15", "SIGRTMIN+3" -> the number. Raises InvalidSignal."""
    if text.isdecimal():
        number = int(text)
        if not 1 <= number <= _HIGHEST:
            raise InvalidSignal(text)
        return number
    name = text.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    base, plus, offset = name.partition("+")
    if plus:
        if base != "SIGRTMIN" or not offset.isdecimal():
            raise InvalidSignal(text)
        return _real_time(signal.SIGRTMIN + int(offset), text)
    base, minus, offset = name.partition("-")
    if minus:
        if base != "SIGRTMAX" or not offset.isdecimal():
            raise InvalidSignal(text)
        return _real_time(signal.SIGRTMAX - int(offset), text)
    try:
        return int(signal.Signals[name])
    except KeyError:
        raise InvalidSignal(text) from None


def _real_time(number: int, text: str) -> int:
    if not signal.SIGRTMIN <= number <= signal.SIGRTMAX:
        raise InvalidSignal(text)
    return number
