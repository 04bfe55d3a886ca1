"""What is reported while a plan is carried out: one event a change of one object.

The words are Docker Compose's (`Container x-web-1  Started`): scripts look for them. Who shows the
events, and how, is the command line's affair.
"""

from enum import StrEnum
from typing import Protocol

from sampan.lib.records import Record


class Phase(StrEnum):
    WORKING = "working"
    DONE = "done"
    WARNING = "warning"
    ERROR = "error"


class Event(Record, frozen=True):
    """`subject` is "Container x-web-1", `text` the word behind it, `detail` what follows."""

    subject: str
    text: str
    phase: Phase = Phase.WORKING
    detail: str = ""


class Progress(Protocol):
    """Gets events from any thread."""

    def report(self, event: Event) -> None: ...


class Reporter:
    """Events for one object: begin, then done or failed."""

    def __init__(self, progress: Progress, subject: str) -> None:
        self._progress = progress
        self._subject = subject

    def working(self, text: str) -> None:
        self._progress.report(Event(self._subject, text))

    def done(self, text: str) -> None:
        self._progress.report(Event(self._subject, text, Phase.DONE))

    def warning(self, text: str, detail: str = "") -> None:
        self._progress.report(Event(self._subject, text, Phase.WARNING, detail))

    def failed(self, text: str = "Error", detail: str = "") -> None:
        self._progress.report(Event(self._subject, text, Phase.ERROR, detail))


class Silent:
    """Shows nothing."""

    def report(self, event: Event) -> None:
        """Events go nowhere."""


def container_subject(name: str) -> str:
    return f"Container {name}"
