"""Why a step wasn't cached: what it was made of the last time, against what it is made of now.

The instruction itself comes first; then what the client changed (files, build arguments), then what
follows from something earlier (the base, the step before). What comes with another base or another
instruction anyway (environment, settings) is only told when nothing else is.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from sampan.builder.cache_keys import Key, Parts, Step
from sampan.builder.progress import Changed, Reason

_MOST = 20  # reasons
_RUN = "exec"


class Before(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is remembered of a step: its text as written, and what it was made of."""

    text: str = ""
    base: str = ""  # the name on FROM
    first: bool = False  # of its stage
    arguments: dict[str, str] = {}
    parts: Parts


def remembered(key: Key, step: Step) -> Before:
    return Before(
        text=step.text,
        base=step.base,
        first=step.index == 0,
        arguments=dict(step.arguments),
        parts=key.parts,
    )


def reasons(before: Before | None, now: Before) -> tuple[Reason, ...]:
    """Never empty."""
    if before is None:
        return (Reason(Changed.NEVER_CACHED),)
    found: list[Reason] = []
    if before.text != now.text:
        found.append(Reason(Changed.INSTRUCTION, "", before.text, now.text))
    else:
        found += _files(before.parts.files, now.parts.files)
        found += _arguments(before, now)
    if before.parts.base != now.parts.base:
        found.append(_base(before, now))
    found += [
        Reason(Changed.SOURCE, "", *pair)
        for pair in zip(before.parts.sources, now.parts.sources, strict=False)
        if pair[0] != pair[1]
    ]
    if not found:
        found += _values(Changed.ENVIRONMENT, before.parts.environment, now.parts.environment)
        found += _values(Changed.SETTING, before.parts.settings, now.parts.settings)
    return tuple(found[:_MOST]) or (Reason(Changed.RESULT_GONE),)


def _files(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Reason]:
    for path in sorted(before.keys() | now.keys()):
        if path not in before:
            yield Reason(Changed.FILE_ADDED, path)
        elif path not in now:
            yield Reason(Changed.FILE_REMOVED, path)
        elif before[path] != now[path]:
            yield Reason(Changed.FILE_CHANGED, path)


def _arguments(before: Before, now: Before) -> list[Reason]:
    """All that RUN gets, and those that the words of another instruction name."""
    old, new = dict(before.parts.arguments), dict(now.parts.arguments)
    for name in {*before.arguments, *now.arguments}:
        if now.parts.kind == _RUN or re.search(rf"\$\{{?{re.escape(name)}\b", now.text):
            old |= _one(before.arguments, name)
            new |= _one(now.arguments, name)
    return list(_values(Changed.ARGUMENT, old, new))


def _one(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {name: values[name]} if name in values else {}


def _base(before: Before, now: Before) -> Reason:
    if now.first:
        names = "" if before.base == now.base else before.base
        return Reason(
            Changed.BASE,
            now.base,
            names or before.parts.base,
            now.base if names else now.parts.base,
        )
    return Reason(Changed.PARENT)


def _values(
    changed: Changed, before: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[Reason]:
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, ""), now.get(name, "")
        if old != new or (name in before) != (name in now):
            yield Reason(changed, name, old, new)
