"""Times as Go prints and parses them: RFC 3339 with up to nine fractional digits, and durations.

A moment is an int: nanoseconds since the Unix epoch, UTC. 0 stands for Go's zero time.
"""

import re
import time
from datetime import UTC, datetime, timedelta

ZERO = "0001-01-01T00:00:00Z"
NANOS = 1_000_000_000

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NANOS,
    "m": 60 * NANOS,
    "h": 3600 * NANOS,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?"
    r"(Z|z|[+-]\d\d:\d\d)?"
)


def now_ns() -> int:
    return time.time_ns()


def format_ns(moment_ns: int, *, fixed: bool = False) -> str:
    """RFC3339Nano: trailing zeros of the fraction cut off, or kept all nine with `fixed`."""
    if moment_ns == 0:
        return ZERO
    seconds, fraction = divmod(moment_ns, NANOS)
    base = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )
    digits = f"{fraction:09d}"
    if not fixed:
        digits = digits.rstrip("0")
    return f"{base}.{digits}Z" if digits else f"{base}Z"


def parse_ns(text: str) -> int:
    """Inverse of `format_ns`; also takes shorter forms and offsets. Raises ValueError."""
    if text in {"", ZERO}:
        return 0
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    moment = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        tzinfo=UTC,
    )
    if zone and zone not in "Zz":
        sign = 1 if zone[0] == "+" else -1
        moment -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanos = int((fraction or "").ljust(9, "0"))
    return (whole.days * 86400 + whole.seconds) * NANOS + nanos


def parse_duration_ns(text: str) -> int:
    """Go's time.ParseDuration ("1h30m", "-1.5s"). Raises ValueError."""
    rest = text.lstrip("+-")
    if rest == "0":
        return 0
    total, position = 0.0, 0
    while position < len(rest):
        match = _DURATION_PART.match(rest, position)
        if match is None:
            break
        total += float(match[1]) * _UNITS_NS[match[2]]
        position = match.end()
    if not rest or position != len(rest):
        raise ValueError(f"time: invalid duration {text!r}")
    return int(-total if text.startswith("-") else total)


def format_duration(duration_ns: int) -> str:
    """Go's Duration.String: "0s", "1.5s", "1m0s", "2h3m4s", "300ms"."""
    if duration_ns == 0:
        return "0s"
    sign, rest = ("-", -duration_ns) if duration_ns < 0 else ("", duration_ns)
    if rest < NANOS:
        unit = next(name for name in ("ms", "µs", "ns") if rest >= _UNITS_NS[name])
        return f"{sign}{_decimal(rest, _UNITS_NS[unit])}{unit}"
    minutes, seconds_ns = divmod(rest, 60 * NANOS)
    text = f"{_decimal(seconds_ns, NANOS)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    digits = f"{fraction:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}"


def parse_moment_ns(text: str, *, now: int | None = None) -> int:
    """`since` and `until`: Unix seconds[.nanos], RFC 3339, or a duration back from now."""
    if re.fullmatch(r"\d+(\.\d{1,9})?", text):
        seconds, _, fraction = text.partition(".")
        return int(seconds) * NANOS + int(fraction.ljust(9, "0") if fraction else 0)
    try:
        return (now_ns() if now is None else now) - parse_duration_ns(text)
    except ValueError:
        return parse_ns(text)
