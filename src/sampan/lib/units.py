"""Sizes as people write and Docker prints them."""

_BINARY = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def parse_size_bytes(text: str) -> int:
    """Binary sizes: "64m" is 67108864 (go-units RAMInBytes). Raises ValueError.

    Written without `re`: the command line imports this module and is measured in milliseconds.
    """
    body = text.strip()
    digits = len(body)
    while digits and body[digits - 1] not in "0123456789.":
        digits -= 1
    number, unit = body[:digits], body[digits:].removeprefix(" ").lower()
    whole, _, fraction = number.partition(".")
    if not (whole.isdecimal() and whole.isascii()) or (fraction and not fraction.isdecimal()):
        raise ValueError(f"invalid size: '{text}'")
    short = unit[:1] if unit[1:] in {"", "b", "ib"} else "?"
    if number.endswith(".") or short not in _BINARY:
        raise ValueError(f"invalid suffix: '{unit}'" if unit else f"invalid size: '{text}'")
    return int(float(number) * _BINARY[short])


def _format(value: float, base: float, units: list[str], digits: int) -> str:
    index = 0
    while value >= base and index < len(units) - 1:
        value /= base
        index += 1
    return f"{value:.{digits}g}{units[index]}"


def human_size(size_bytes: float, *, digits: int = 4) -> str:
    """Decimal units as go-units HumanSize: 1500 is "1.5kB"."""
    return _format(size_bytes, 1000.0, ["B", "kB", "MB", "GB", "TB", "PB"], digits)


def binary_size(size_bytes: float) -> str:
    """Binary units as go-units BytesSize: 1536 is "1.5KiB"."""
    return _format(size_bytes, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 4)


def human_duration(seconds: float) -> str:
    """go-units HumanDuration: "Less than a second", "About a minute", "3 weeks"."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    minutes = whole // 60
    hours = int(seconds / 3600 + 0.5)
    if whole < 60:
        return f"{whole} seconds"
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    return _longer(hours)


def _longer(hours: int) -> str:
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"
