"""`events`: what happens in the engine, as it happens."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.output import render, unescape
from sampan.client.api import filters_text
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.lib.gotemplate.template import Template

TEMPLATE_STATUS = 64
# Go's field names of an event beside those of its JSON.
FIELDS = {
    "Status": "status",
    "ID": "id",
    "From": "from",
    "Scope": "scope",
    "Time": "time",
    "TimeNano": "timeNano",
}
_ABSENT = {"status": "", "id": "", "from": ""}


def moment_text(text: str) -> str:
    """`--since` and `--until` as the engine takes them: durations count back from now."""
    from sampan.lib.gotime import NANOS, now_ns, parse_duration_ns, parse_ns

    try:
        moment = now_ns() - parse_duration_ns(text)
    except ValueError:
        pass
    else:
        return str(moment // NANOS)
    if not text or text.replace(".", "", 1).isdecimal():
        return text
    try:
        seconds, nanos = divmod(parse_ns(text), NANOS)
    except ValueError:
        return text
    return f"{seconds}.{nanos:09d}"


def _local(event: dict[str, Any]) -> str:
    import time

    nanos = event.get("timeNano") or event.get("time", 0) * 10**9
    seconds, fraction = divmod(nanos, 10**9)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{fraction:09d}{zone}"


def _line(event: dict[str, Any]) -> str:
    attributes = event["Actor"].get("Attributes") or {}
    shown = ", ".join(f"{key}={attributes[key]}" for key in sorted(attributes))
    line = f"{_local(event)} {event['Type']} {event['Action']} {event['Actor']['ID']}"
    return f"{line} ({shown})" if shown else line


def _template(text: str) -> Template | None:
    if text in {"", "json"}:
        return None
    from sampan.lib.gotemplate.nodes import TemplateError
    from sampan.lib.gotemplate.template import Template

    try:
        return Template(unescape(text))
    except TemplateError as error:
        raise Exit(TEMPLATE_STATUS, f"Error parsing format: {error}") from error


def _row(event: dict[str, Any]) -> object:
    from sampan.lib.gotemplate.values import GoStruct

    actor = event["Actor"]
    members = {**event, "Actor": GoStruct({"Attributes": {}, **actor})}
    spelled = {go: members.get(name, "") for go, name in FIELDS.items()}
    return GoStruct(members, {**_ABSENT, **spelled})


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    query = [
        (name, moment_text(flags.text(name))) for name in ("since", "until") if flags.text(name)
    ]
    if filters := flags.filters():
        query.append(("filters", filters_text(filters)))
    format_text = flags.text("format")
    template = _template(format_text)
    response = context.client.call("GET", "/events", query=query)
    for event in context.client.objects(response):
        if template is not None:
            context.out(render(template, _row(event)) + "\n")
        elif format_text == "json":
            context.out(encode(event) + "\n")
        else:
            context.out(_line(event) + "\n")
        sys.stdout.flush()
    return 0


EVENTS = Command(
    run,
    "[OPTIONS]",
    flags=(
        Flag("filter", "f", "filter", "Filter output based on conditions provided"),
        Flag("format", "", "string", "Format output: json, or a Go template"),
        Flag("since", "", "string", "Show all events created since timestamp"),
        Flag("until", "", "string", "Stream events until this timestamp"),
    ),
)
