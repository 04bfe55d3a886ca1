"""Typed build events to the classic protocol's JSON objects, which clients parse and print.

    {"stream": "Step 1/4 : FROM busybox\\n"}      {"stream": " ---> Using cache\\n"}
    {"stream": " ---> Running in 1f2b8edef8c5\\n"}   {"aux": {"ID": "sha256:..."}}
    {"errorDetail": {"code": 9, "message": "..."}, "error": "..."}

Standard error comes in red. Texts are moby's (v28 builder/dockerfile), among them the odd plural of
"# Executing 1 build trigger".
"""

import codecs
from collections.abc import Iterator
from typing import Any

from sampan.builder import progress
from sampan.builder.ops.exec import CommandFailed
from sampan.errors import SampanError
from sampan.lib.ids import short

Message = dict[str, Any]

_RED, _PLAIN = "\x1b[91m", "\x1b[0m"


class Renderer:
    """One build's. Program output may end within a character: the rest is kept for later."""

    def __init__(self) -> None:
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = {False: make("replace"), True: make("replace")}

    def render(self, event: progress.Event) -> Iterator[Message]:
        match event:
            case progress.Output():
                yield from self._output(event)
            case progress.Pulling():
                yield dict(event.message)
            case progress.StageFinished():
                yield {"aux": {"ID": event.image_id}}
            case progress.CacheMissed() | progress.StepFailed():
                return
            case _:
                yield stream(_text(event))

    def _output(self, event: progress.Output) -> Iterator[Message]:
        text = self._decoders[event.is_stderr].decode(event.data)
        if text:
            yield stream(f"{_RED}{text}{_PLAIN}" if event.is_stderr else text)


def _text(event: progress.Event) -> str:
    match event:
        case progress.StepStarted():
            return f"Step {event.number}/{event.total} : {event.text}\n"
        case progress.CacheUsed():
            return " ---> Using cache\n"
        case progress.Running():
            return f" ---> Running in {short(event.id)}\n"
        case progress.RunEnded():
            return f" ---> Removed intermediate container {short(event.id)}\n"
        case progress.StepResult():
            return f" ---> {short(event.image_id)}\n"
        case progress.Triggers():
            return f"# Executing {event.count} build trigger{'s' if event.count > 1 else ''}\n"
        case progress.LintFound():
            line = event.where.first_line
            return f"[Warning] {event.rule}: {event.message} (line {line})\n"
        case progress.Notice():
            return f"{_RED}{event.text}\n{_PLAIN}" if event.is_warning else event.text
        case _:
            return ""


def stream(text: str) -> Message:
    return {"stream": text}


def failure(error: SampanError) -> Message:
    """The last object of a failed build; a command's exit code becomes the client's."""
    detail: dict[str, Any] = {"message": error.message}
    if isinstance(error, CommandFailed):
        detail = {"code": error.code, **detail}
    return {"errorDetail": detail, "error": error.message}
