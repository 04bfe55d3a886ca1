"""Ids, ages, times and texts as listings show them."""

from __future__ import annotations

import time

from sampan.lib.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT_ID = 12
ELLIPSIS = "…"


def short_id(identifier: str) -> str:
    return identifier.removeprefix("sha256:")[:SHORT_ID]


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + ELLIPSIS


def age(created_s: float) -> str:
    return human_duration(time.time() - created_s) + " ago"


def local_time(moment_s: float) -> str:
    """As Go's time.Time prints: "2026-11-22 01:55:26 +0000 UTC"."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(moment_s))


def size3(size_bytes: float) -> str:
    """Three digits, as listings of containers and images have it."""
    return human_size(size_bytes, digits=3)


def seconds_of(moment: str) -> float:
    """Unix seconds of an RFC 3339 time, 0 when it is Go's zero time or no time."""
    from sampan.lib.gotime import NANOS, parse_ns

    try:
        return parse_ns(moment) / NANOS
    except ValueError:
        return 0.0


def label_text(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def label_heading(name: str) -> str:
    """The heading of `{{.Label "com.example.some-name"}}`: "some name"."""
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")
