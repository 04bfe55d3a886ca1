"""`stack ls`, `stack ps` and `stack services`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.services.listing import LIST_FLAGS, show_services
from sampan.cli.commands.services.ps import TASK_FLAGS, list_tasks, show_tasks
from sampan.cli.commands.stacks.deploy import of_stack
from sampan.cli.flags import Flag
from sampan.cli.naturally import natural_order
from sampan.cli.output import Listing
from sampan.client.api import filters_text
from sampan.compose.stack_container import NAMESPACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def show_stacks(context: Context, flags: Flags, _words: list[str]) -> int:
    query = [("filters", filters_text({"label": [NAMESPACE]}))]
    counts: dict[str, int] = {}
    for service in context.client.get("/services", query):
        name = service["Spec"]["Labels"][NAMESPACE]
        counts[name] = counts.get(name, 0) + 1
    rows = sorted(counts.items(), key=lambda row: natural_order(row[0]))
    columns: dict[str, Any] = {
        "Name": ("NAME", lambda row: row[0]),
        "Services": ("SERVICES", lambda row: row[1]),
    }
    table = Listing("*stack.stackContext", columns, ("Name", "Services"))
    context.out(table.text(rows, flags.text("format")))
    return 0


def _filters(flags: Flags, name: str) -> dict[str, list[str]]:
    filters = flags.filters()
    filters["label"] = [*filters.get("label", ()), f"{NAMESPACE}={name}"]
    return filters


def show_stack_tasks(context: Context, flags: Flags, words: list[str]) -> int:
    tasks = list_tasks(context, _filters(flags, words[0]))
    if not tasks:
        raise Exit(1, f"nothing found in stack: {words[0]}")
    return show_tasks(context, tasks, flags)


def show_stack_services(context: Context, flags: Flags, words: list[str]) -> int:
    if not of_stack(context, "services", words[0]):
        context.err(f"Nothing found in stack: {words[0]}\n")
        return 0
    return show_services(
        context,
        _filters(flags, words[0]),
        quiet=flags.on("quiet"),
        format_text=flags.text("format"),
    )


LS = Command(
    show_stacks,
    "[OPTIONS]",
    flags=(Flag("format", "", "string", "Format output: table, json, or a Go template"),),
)
PS = Command(show_stack_tasks, "[OPTIONS] STACK", flags=TASK_FLAGS, least=1, most=1)
SERVICES = Command(show_stack_services, "[OPTIONS] STACK", flags=LIST_FLAGS, least=1, most=1)
