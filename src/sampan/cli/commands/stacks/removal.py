"""`stack rm`: services first, then what they used."""

from __future__ import annotations

import time

from sampan.cli.command import Command
from sampan.cli.commands.stacks.deploy import of_stack
from sampan.cli.flags import Flag
from sampan.client.api import filters_text
from sampan.client.exchange import quote
from sampan.compose.stack_container import NAMESPACE
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

KINDS = ("services", "secrets", "configs", "networks")
TRIES, PAUSE_S = 25, 0.2
ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})


def run(context: Context, flags: Flags, names: list[str]) -> int:
    status = 0
    for name in names:
        found = {kind: of_stack(context, kind, name) for kind in KINDS}
        if not any(found.values()):
            context.err(f"Nothing found in stack: {name}\n")
            continue
        for kind in KINDS:
            for item in found[kind]:
                if not _remove(context, kind, item):
                    status = 1
        if not flags.on("detach"):
            _wait(context, name)
    return status


def _remove(context: Context, kind: str, item: dict[str, Any]) -> bool:
    """A network may be in use for a moment yet: its containers are on their way out."""
    is_network = kind == "networks"
    identifier = item["Id"] if is_network else item["ID"]
    label = item["Name"] if is_network else item["Spec"]["Name"]
    context.say(f"Removing {kind[:-1]} {label}")
    for attempt in range(TRIES if is_network else 1):
        try:
            context.client.delete(f"/{kind}/{quote(identifier)}")
        except SampanError as error:
            failure = error
            if is_network and attempt < TRIES - 1:
                time.sleep(PAUSE_S)
        else:
            return True
    context.err(f"Failed to remove {kind[:-1]} {identifier}: {failure.message}\n")
    return False


def _wait(context: Context, name: str) -> None:
    filters = filters_text({"label": [f"{NAMESPACE}={name}"]})
    while any(
        task["Status"].get("State") not in ENDED
        for task in context.client.get("/tasks", [("filters", filters)])
    ):
        time.sleep(PAUSE_S)


RM = Command(
    run,
    "[OPTIONS] STACK [STACK...]",
    flags=(
        Flag(
            "detach",
            "d",
            "bool",
            "Do not wait for stack removal",
            default=True,
            shown="true",
        ),
    ),
    least=1,
    most=None,
)
