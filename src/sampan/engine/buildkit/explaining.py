"""Why a step wasn't cached, in one line: "file app/x.py changed", "build argument A: 1 -> 2".

Pure.
"""

from collections.abc import Sequence

from sampan.builder.progress import Changed, Reason

SHOWN = 5

_NAMED = {
    Changed.BASE: "base image {name} changed",
    Changed.SOURCE: "{name}, which files come from, changed",
    Changed.FILE_ADDED: "file {name} added",
    Changed.FILE_CHANGED: "file {name} changed",
    Changed.FILE_REMOVED: "file {name} removed",
    Changed.ARGUMENT: "build argument {name} changed",
    Changed.ENVIRONMENT: "environment variable {name} changed",
    Changed.SETTING: "{name} changed",
}


def explanation(reasons: Sequence[Reason]) -> str:
    told = [_told(reason) for reason in reasons[:SHOWN]]
    rest = len(reasons) - SHOWN
    if rest > 0:
        told.append(f"and {rest} more")
    return ", ".join(told)


def _told(reason: Reason) -> str:
    form = _NAMED.get(reason.changed)
    text = form.format(name=reason.name) if form and reason.name else str(reason.changed.value)
    if reason.before or reason.after:
        return f"{text} ({_short(reason.before)} -> {_short(reason.after)})"
    return text


def _short(value: str) -> str:
    if value.startswith("sha256:"):
        return value[: len("sha256:") + 12]
    return value or "unset"
