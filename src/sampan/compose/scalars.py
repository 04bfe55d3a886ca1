"""The scalar types of the canonical model: numbers that are written in a form of their own.

Each is a plain number with the unit fixed by its type, so that the rest of the program just
computes with it: `Bytes` (sizes), `Duration` (nanoseconds), `FileMode`, `Float32` (Compose keeps
fractions in single precision, which shows in what it prints). How they are written in the
canonical form stands in `render`; how they are read stands here, with Compose's grammars.
"""

import re
import struct

from sampan.errors import InvalidArgument

_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?$", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_STEPS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_DURATION = re.compile(r"^[-+]?(?:\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h|d|w))+$")
_DURATION_STEP = re.compile(r"(\d+)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h|d|w)")


class BadSize(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid size: '{text}'")


class BadDuration(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f'time: invalid duration "{text}"')


class Bytes(int):
    """A size in bytes; text takes Docker's units (1024 based): `64m`, `1.5gb`."""

    @classmethod
    def read(cls, value: object) -> "Bytes":
        if isinstance(value, float) and not value.is_integer():
            raise BadSize(str(value))
        if isinstance(value, int | float):
            return cls(int(value))
        text = str(value).strip()
        if re.fullmatch(r"-\d+", text):
            return cls(int(text))
        match = _SIZE.match(text)
        if match is None:
            raise BadSize(text)
        return cls(int(float(match[1]) * _UNITS[match[2].lower()]))


class Duration(int):
    """Nanoseconds; text is Go's with days and weeks: `1h2m3.5s`, `1d`."""

    @classmethod
    def read(cls, value: object) -> "Duration":
        text = str(value)
        if text == "0":
            return cls(0)
        if not _DURATION.match(text):
            raise BadDuration(text)
        total = 0
        for whole, fraction, unit in _DURATION_STEP.findall(text):
            step = _STEPS_NS[unit]
            total += int(whole) * step
            if fraction:
                total += int(fraction) * step // 10 ** len(fraction)
        return cls(-total if text.startswith("-") else total)

    @property
    def seconds(self) -> float:
        return self / 1_000_000_000

    def __str__(self) -> str:
        return go_duration(int(self))


class FileMode(int):
    """Permission bits; text is octal."""

    @classmethod
    def read(cls, value: object) -> "FileMode":
        if isinstance(value, int):
            return cls(value)
        try:
            return cls(int(str(value), 8))
        except ValueError as error:
            raise InvalidArgument(f'invalid file mode "{value}"') from error

    def __str__(self) -> str:
        return f"0{int(self):o}"


class Float32(float):
    """A fraction in single precision; text is the shortest that reads back as the same."""

    @classmethod
    def read(cls, value: object) -> "Float32":
        try:
            return cls(struct.unpack("f", struct.pack("f", float(str(value))))[0])
        except ValueError as error:
            raise InvalidArgument(f'invalid number "{value}"') from error

    def __str__(self) -> str:
        for digits in range(1, 10):
            text = f"{float(self):.{digits}g}"
            if struct.pack("f", float(text)) == struct.pack("f", self):
                break
        number = float(text)
        return str(int(number)) if number.is_integer() and abs(number) < 1e21 else repr(number)


def go_duration(value_ns: int) -> str:
    """The text that Go's time.Duration has: `1h0m0s`, `1m30s`, `1.5s`, `250ms`, `0s`."""
    if value_ns == 0:
        return "0s"
    sign, rest = ("-", -value_ns) if value_ns < 0 else ("", value_ns)
    for unit, step in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < step * 1000:
            return f"{sign}{_decimal(rest, step)}{unit}"
    minutes, rest = divmod(rest, _STEPS_NS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, _STEPS_NS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _decimal(value: int, step: int) -> str:
    whole, rest = divmod(value, step)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(step)) - 1).rstrip('0')}"
