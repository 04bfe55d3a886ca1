"""`events`: what happens to a project's containers."""

from __future__ import annotations

import sys
import time

from sampan.cli.commands.compose.selecting import check_services
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.client.api import filters_text
from sampan.compose.labels import ONEOFF, PROJECT, SERVICE
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags

    Event = dict[str, Any]

HIDDEN = "com.docker.compose."
NANOS = 10**9


def _attributes(event: Event) -> dict[str, str]:
    found = (event.get("Actor") or {}).get("Attributes") or {}
    return {key: value for key, value in sorted(found.items()) if not key.startswith(HIDDEN)}


def _json(event: Event) -> str:
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    nanos = int(event.get("timeNano") or 0)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanos // NANOS))
    fraction = f".{nanos % NANOS:09d}".rstrip("0").rstrip(".")
    return encode(
        {
            "action": event.get("Action", ""),
            "attributes": _attributes(event),
            "id": actor.get("ID", ""),
            "service": attributes.get(SERVICE, ""),
            "time": f"{moment}{fraction}Z",
            "type": "container",
        }
    )


def _line(event: Event) -> str:
    nanos = int(event.get("timeNano") or 0)
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(nanos // NANOS))
    identity = (event.get("Actor") or {}).get("ID", "")
    pairs = ", ".join(f"{key}={value}" for key, value in _attributes(event).items())
    micros = nanos % NANOS // 1000
    return f"{moment}.{micros:06d} container {event.get('Action', '')} {identity} ({pairs})"


def _wanted(event: Event, names: list[str]) -> bool:
    attributes = (event.get("Actor") or {}).get("Attributes") or {}
    if attributes.get(ONEOFF) == "True":
        return False
    return not names or attributes.get(SERVICE) in names


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    from sampan.cli.commands.system.events import moment_text

    check_services(context, names)
    filters = {"label": [f"{PROJECT}={context.project_name()}"], "type": ["container"]}
    query = [("filters", filters_text(filters))]
    query += [
        (name, moment_text(flags.text(name))) for name in ("since", "until") if flags.text(name)
    ]
    response = context.api.events(query)
    for event in context.api.objects(response):
        if _wanted(event, names):
            context.cli.out((_json(event) if flags.on("json") else _line(event)) + "\n")
            sys.stdout.flush()
    return 0


EVENTS = Verb(
    run,
    "[OPTIONS] [SERVICE...]",
    "Receive real time events from containers",
    flags=(
        Flag("json", "", "bool", "Output events as a stream of json objects"),
        Flag("since", "", "string", "Show all events created since timestamp"),
        Flag("until", "", "string", "Stream events until this timestamp"),
    ),
)
