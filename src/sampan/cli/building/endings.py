"""What is said after the last step: why steps weren't cached, warnings, and how a build failed.

Not cached:
  #7 [2/3] COPY . /app: file app/x.py changed

 1 warning found:
 - LegacyKeyValueFormat: "ENV key=value" should be used (line 3)

------
 > [3/3] RUN make:
0.312 make: *** No rule
------
Dockerfile:4
--------------------
   3 |     COPY . /app
   4 | >>> RUN make
--------------------
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
"""

from __future__ import annotations

import base64
import binascii
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sampan.cli.building.trace import Trace
    from sampan.wire.buildkit.common import Status
    from sampan.wire.buildkit.control import VertexWarning

_SOURCE = "errdefs.Source+json"
_RULE = "-" * 20
_AROUND = 2  # lines shown before and after those that failed
_SHOWN_LOG = 50


def explanations(trace: Trace) -> str:
    found = [
        f"  #{step.number} {step.name}: {step.reason.removeprefix('not cached: ')}\n"
        for step in trace.explained()
    ]
    return "".join(["\nNot cached:\n", *found]) if found else "\nAll steps were cached.\n"


def warnings(found: list[VertexWarning]) -> str:
    if not found:
        return ""
    count = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
    lines = [f" - {_warning(one)}\n" for one in found]
    return "".join([f"\n {count} found:\n", *lines])


def _warning(one: VertexWarning) -> str:
    text = one.short.decode("utf-8", "replace")
    line = next((span.start.line for span in one.ranges if span.start is not None), 0)
    return f"{text} (line {line})" if line and "(line " not in text else text


def failure(trace: Trace, status: Status) -> str:
    """Everything about it but the last line."""
    return "".join([*_log(trace), *_source(status)])


def _log(trace: Trace) -> Iterator[str]:
    step = trace.failed()
    if step is None or not step.lines:
        return
    yield f"------\n > {step.name}:\n"
    for line in step.lines[-_SHOWN_LOG:]:
        yield f"{line.after_s:.3f} {line.text}\n"
    yield "------\n"


def _source(status: Status) -> Iterator[str]:
    for detail in status.details:
        if not detail.type_url.endswith(_SOURCE):
            continue
        try:
            source = json.loads(detail.value)
            yield from _marked(source["info"], source["ranges"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue  # an engine with other words: the message is all there is


def _marked(info: dict[str, Any], ranges: list[dict[str, Any]]) -> Iterator[str]:
    lines = base64.b64decode(info["data"]).decode("utf-8", "replace").splitlines()
    failed = {
        number
        for span in ranges
        for number in range(span["start"]["line"], span["end"]["line"] + 1)
    }
    if not failed or min(failed) < 1 or max(failed) > len(lines):
        return
    first, last = max(1, min(failed) - _AROUND), min(len(lines), max(failed) + _AROUND)
    yield f"{info['filename']}:{min(failed)}\n{_RULE}\n"
    for number in range(first, last + 1):
        mark = ">>>" if number in failed else "   "
        yield f"{number:4} | {mark} {lines[number - 1]}".rstrip() + "\n"
    yield f"{_RULE}\n"
