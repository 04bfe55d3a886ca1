"""`service ps`, `node ps` and `stack ps`: tasks, newest first in each slot."""

from __future__ import annotations

import time

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.human import SHORT_ID, seconds_of, shorten
from sampan.cli.naturally import natural_order
from sampan.cli.output import Listing
from sampan.client.api import filters_text
from sampan.client.errors import EngineError
from sampan.client.exchange import quote
from sampan.lib.units import human_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.client.api import Client

    Task = dict[str, Any]

TYPE_NAME = "*task.taskContext"
FIELDS = ("ID", "Name", "Image", "Node", "DesiredState", "CurrentState", "Error", "Ports")
ERROR_WIDTH = 30


class Resolver:
    """Ids of services and nodes as their names; ids that aren't known stay."""

    def __init__(self, client: Client, *, resolves: bool) -> None:
        self._client = client
        self._resolves = resolves
        self._names: dict[tuple[str, str], str] = {}

    def service(self, identifier: str) -> str:
        return self._name("services", identifier)

    def node(self, identifier: str) -> str:
        return self._name("nodes", identifier)

    def _name(self, kind: str, identifier: str) -> str:
        if not identifier or not self._resolves:
            return identifier
        key = (kind, identifier)
        if key not in self._names:
            self._names[key] = self._ask(kind, identifier)
        return self._names[key]

    def _ask(self, kind: str, identifier: str) -> str:
        query = [("insertDefaults", "false")] if kind == "services" else []
        try:
            found = self._client.get(f"/{kind}/{quote(identifier)}", query)
        except EngineError:
            return identifier
        name = found["Spec"].get("Name", "")
        if kind == "nodes" and not name:
            name = found["Description"].get("Hostname", "")
        return str(name or identifier)


def task_name(task: Task, resolver: Resolver) -> str:
    service = resolver.service(task.get("ServiceID", ""))
    place = task.get("Slot") or task.get("NodeID", "")
    return f"{service}.{place}" if service else str(task["ID"])


def _error(task: Task, *, full: bool) -> str:
    error = task["Status"].get("Err", "")
    if not error:
        return ""
    return f'"{error if full else shorten(error, ERROR_WIDTH)}"'


def _image(task: Task, *, full: bool) -> str:
    image = str((task["Spec"].get("ContainerSpec") or {}).get("Image", ""))
    image = image.removeprefix("docker.io/").removeprefix("library/")
    return image if full else image.partition("@")[0]


def _state(task: Task) -> str:
    status = task["Status"]
    since = human_duration(max(0.0, time.time() - seconds_of(status.get("Timestamp", ""))))
    return f"{status.get('State', '').capitalize()} {since.lower()} ago"


def _ports(task: Task) -> str:
    ports = (task["Status"].get("PortStatus") or {}).get("Ports") or ()
    return ",".join(
        f"*:{port.get('PublishedPort', 0)}->{port.get('TargetPort', 0)}/{port.get('Protocol', '')}"
        for port in ports
    )


def listing(names: dict[str, str], nodes: dict[str, str], *, full: bool) -> Listing:
    columns: dict[str, Any] = {
        "ID": ("ID", lambda task: task["ID"] if full else task["ID"][:SHORT_ID]),
        "Name": ("NAME", lambda task: names[task["ID"]]),
        "Image": ("IMAGE", lambda task: _image(task, full=full)),
        "Node": ("NODE", lambda task: nodes[task["ID"]]),
        "DesiredState": ("DESIRED STATE", lambda task: task["DesiredState"].capitalize()),
        "CurrentState": ("CURRENT STATE", _state),
        "Error": ("ERROR", lambda task: _error(task, full=full)),
        "Ports": ("PORTS", _ports),
    }
    return Listing(TYPE_NAME, columns, FIELDS)


def show_tasks(context: Context, tasks: list[Task], flags: Flags) -> int:
    """What the flags of the three verbs say."""
    full, format_text = flags.on("no-trunc"), flags.text("format")
    if flags.on("quiet") and format_text in {"", "table"}:
        ids = (task["ID"] if full else task["ID"][:SHORT_ID] for task in tasks)
        context.out("".join(f"{identifier}\n" for identifier in ids))
        return 0
    resolver = Resolver(context.client, resolves=not flags.on("no-resolve"))
    plain = {task["ID"]: task_name(task, resolver) for task in tasks}
    # Newest first within a slot: sorted twice, since the two orders run against each other.
    tasks.sort(key=lambda task: str(task["CreatedAt"]), reverse=True)
    tasks.sort(key=lambda task: natural_order(plain[task["ID"]]))
    format_text = format_text or context.config.text("tasksFormat")
    names = _indented(tasks, plain, is_table=format_text in {"", "table"})
    nodes = {task["ID"]: resolver.node(task.get("NodeID", "")) for task in tasks}
    context.out(listing(names, nodes, full=full).text(tasks, format_text))
    return 0


def _indented(tasks: Iterable[Task], plain: dict[str, str], *, is_table: bool) -> dict[str, str]:
    """Older tasks of a slot hang below the newest."""
    names, before = {}, ""
    for task in tasks:
        name = plain[task["ID"]]
        names[task["ID"]] = f" \\_ {name}" if is_table and name == before else name
        before = name
    return names


def list_tasks(context: Context, filters: dict[str, list[str]]) -> list[Task]:
    query = [("filters", filters_text(filters))] if filters else []
    found: list[Task] = context.client.get("/tasks", query)
    return found


def of_services(context: Context, flags: Flags, names: list[str]) -> int:
    client, found, missing = context.client, [], []
    known: dict[str, dict[str, Any]] = {}
    for key in ("id", "name"):
        for service in client.get("/services", [("filters", filters_text({key: names}))]):
            known[service["ID"]] = service
    for name in names:
        identifier = _chosen(name, list(known.values()))
        if identifier:
            found.append(identifier)
        else:
            missing.append(f"no such service: {name}")
    status = 0
    if found:
        filters = {**_own_node(context, flags.filters()), "service": found}
        status = show_tasks(context, list_tasks(context, filters), flags)
    if missing:
        raise Exit(1, "\n".join(missing))
    return status


def _chosen(name: str, services: list[dict[str, Any]]) -> str:
    """By full id, by name, by the beginning of an id."""
    for service in services:
        if service["ID"] == name:
            return name
    for service in services:
        if service["Spec"]["Name"] == name:
            return str(service["ID"])
    begun = [service["ID"] for service in services if service["ID"].startswith(name)]
    if len(begun) > 1:
        raise Exit(1, f"ambiguous service: {name} ({len(begun)} matches found)")
    return begun[0] if begun else ""


def _own_node(context: Context, filters: dict[str, list[str]]) -> dict[str, list[str]]:
    if "self" in filters.get("node", ()):
        own = context.client.get("/info")["Swarm"]["NodeID"]
        filters["node"] = [own if name == "self" else name for name in filters["node"]]
    return filters


def of_nodes(context: Context, flags: Flags, names: list[str]) -> int:
    from sampan.cli.commands.nodes.verbs import path, resolved

    tasks: list[Task] = []
    failures = []
    for name in names or ["self"]:
        try:
            node = context.client.get(path(resolved(context.client, name)))
        except EngineError as error:
            failures.append(error.message)
            continue
        tasks += list_tasks(context, {**flags.filters(), "node": [node["ID"]]})
    status = show_tasks(context, tasks, flags) if tasks or not failures else 0
    if failures:
        raise Exit(1, "\n".join(failures))
    return status


TASK_FLAGS = (
    Flag("filter", "f", "filter", "Filter output based on conditions provided"),
    Flag("format", "", "string", "Format output: table, json, or a Go template"),
    Flag("no-resolve", "", "bool", "Do not map IDs to Names"),
    Flag("no-trunc", "", "bool", "Do not truncate output"),
    Flag("quiet", "q", "bool", "Only display task IDs"),
)
PS = Command(of_services, "[OPTIONS] SERVICE [SERVICE...]", flags=TASK_FLAGS, least=1, most=None)
NODE_PS = Command(of_nodes, "[OPTIONS] [NODE...]", flags=TASK_FLAGS, most=None)
