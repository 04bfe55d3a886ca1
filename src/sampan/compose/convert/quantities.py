"""Sizes, fractions of processors and times in the units of other orchestrators."""

import math

MIB = 1 << 20
_SUFFIXES = ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki"))


def memory(size_bytes: int) -> str:
    """A Kubernetes quantity."""
    for step, suffix in _SUFFIXES:
        if size_bytes % step == 0:
            return f"{size_bytes // step}{suffix}"
    return str(size_bytes)


def cpu(fraction: float) -> str:
    """A Kubernetes quantity: whole processors or thousandths, at least one."""
    thousandths = max(1, round(fraction * 1000))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def mebibytes(size_bytes: int) -> int:
    return max(1, math.ceil(size_bytes / MIB))


def whole_seconds(duration_ns: int, least: int = 1) -> int:
    return max(least, math.ceil(duration_ns / 1_000_000_000))
