"""The json-file log as Docker writes it: one object a line.

    {"log":"text\\n","stream":"stdout","attrs":{"tag":"x"},"time":"2026-01-02T03:04:05.678Z"}

The writing side is the monitor's (runtime/monitor/logfile.py); this is what readers need. A line
that isn't a record (a torn write at a power cut) is skipped. Files beside the log are its rotated
predecessors: `<log>.1` is the youngest, `.gz` ones are compressed.
"""

from pathlib import Path

import msgspec

from sampan.lib.gotime import parse_ns


class Record(msgspec.Struct, frozen=True):
    """One record. `line` ends with a newline unless the text was cut or ended there."""

    stream: str
    time_ns: int
    line: bytes
    attrs: dict[str, str] | None = None


class _Stored(msgspec.Struct, frozen=True):
    log: str = ""
    stream: str = "stdout"
    time: str = ""
    attrs: dict[str, str] | None = None


class Parser:
    """Lines to records. Equal times follow one another: the last one is kept."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Stored)
        self._time = ""
        self._time_ns = 0

    def parse(self, line: bytes) -> Record | None:
        """None for what isn't a record."""
        try:
            stored = self._decoder.decode(line)
            if stored.time != self._time:
                self._time_ns = parse_ns(stored.time)
                self._time = stored.time
        except (msgspec.DecodeError, ValueError):
            return None
        return Record(stored.stream, self._time_ns, stored.log.encode(), stored.attrs)


def highest_number(path: Path) -> int:
    """Of the log's predecessors that exist now; 0 if there are none."""
    prefix = f"{path.name}."
    found = 0
    try:
        entries = list(path.parent.iterdir())
    except FileNotFoundError:
        return 0
    for entry in entries:
        name = entry.name
        number = name[len(prefix) :].removesuffix(".gz")
        if name.startswith(prefix) and number.isdecimal():
            found = max(found, int(number))
    return found
