"""Figures of runs made in turn: medians, and ratios pair by pair, which noise moves least."""

import statistics
from collections.abc import Sequence


def order(names: Sequence[str], number: int) -> list[str]:
    """Another one is the first in every round."""
    shift = number % len(names)
    return [*names[shift:], *names[:shift]]


def seconds(took: Sequence[float]) -> str:
    return f"{statistics.median(took):.3f} s ({min(took):.3f}-{max(took):.3f})"


def ratio(took: Sequence[float], others: Sequence[float]) -> str:
    ratios = [one / other for one, other in zip(took, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
