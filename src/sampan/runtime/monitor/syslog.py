"""A container's lines as syslog messages, in the forms that dockerd writes.

    ""            <30>Jan  2 15:04:05 tag[pid]: text
    rfc3164       <30>Jan  2 15:04:05 host tag[pid]: text
    rfc5424       <30>1 2026-01-02T15:04:05Z host tag pid tag - text
    rfc5424micro  the same with microseconds

stdout has severity 6 (info), stderr 3 (error). A message ends with a newline, which separates them
on a stream; the rfc5424 forms over TLS are counted instead (RFC 5425). A line longer than 16 KiB
becomes several messages.
"""

from __future__ import annotations

import os
import time

_SEVERITIES = {"stdout": 6, "stderr": 3}


class Syslog:
    def __init__(self, settings: dict[str, object]) -> None:
        facility = int(str(settings["facility"])) << 3
        self._priorities = {name: facility | level for name, level in _SEVERITIES.items()}
        self._format = str(settings["format"])
        self._tag = str(settings["tag"])
        self._host = os.uname().nodename
        self._pid = os.getpid()
        self._counted = settings["network"] == "tcp+tls" and self._format.startswith("rfc5424")

    def encode(self, stream: str, piece: bytes) -> bytes:
        message = self._head(self._priorities[stream]).encode() + piece.removesuffix(b"\n") + b"\n"
        return b"%d %s" % (len(message), message) if self._counted else message

    def _head(self, priority: int) -> str:
        second, nanos = divmod(time.time_ns(), 1_000_000_000)
        now = time.localtime(second)
        if self._format.startswith("rfc5424"):
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", now)
            if self._format == "rfc5424micro":
                moment += f".{nanos // 1000:06d}"
            return (
                f"<{priority}>1 {moment}{_zone(now.tm_gmtoff)} {self._host} {self._tag} "
                f"{self._pid} {self._tag} - "
            )
        moment = f"{time.strftime('%b', now)} {now.tm_mday:2d} {time.strftime('%H:%M:%S', now)}"
        host = f"{self._host} " if self._format == "rfc3164" else ""
        return f"<{priority}>{moment} {host}{self._tag}[{self._pid}]: "


def _zone(offset_s: int) -> str:
    if not offset_s:
        return "Z"
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    return f"{'-' if offset_s < 0 else '+'}{hours:02d}:{minutes:02d}"
