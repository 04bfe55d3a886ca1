"""`node promote`, `demote`, `update` and `rm`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.cli.runflags.checks import label
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.client.api import Client


def path(name: str, act: str = "") -> str:
    return f"/nodes/{quote(name)}{act}"


def resolved(client: Client, name: str) -> str:
    """`self` is this node."""
    if name != "self":
        return name
    return str(client.get("/info")["Swarm"]["NodeID"]) or name


def _change(client: Client, name: str, change: Callable[[dict[str, Any]], bool]) -> bool:
    """Posts the node's spec if `change` says that it did something to it."""
    node = client.get(path(resolved(client, name)))
    spec = node["Spec"]
    if not change(spec):
        return False
    version = str(node["Version"]["Index"])
    client.post(path(node["ID"], "/update"), [("version", version)], spec)
    return True


def _giving(role: str) -> Callable[[dict[str, Any]], bool]:
    def change(spec: dict[str, Any]) -> bool:
        if spec.get("Role") == role:
            return False
        spec["Role"] = role
        return True

    return change


def promote(context: Context, _flags: Flags, names: list[str]) -> int:
    def act(name: str) -> str:
        if _change(context.client, name, _giving("manager")):
            return f"Node {name} promoted to a manager in the swarm."
        return f"Node {name} is already a manager."

    return for_each(context, names, act)


def demote(context: Context, _flags: Flags, names: list[str]) -> int:
    def act(name: str) -> str:
        if _change(context.client, name, _giving("worker")):
            return f"Manager {name} demoted in the swarm."
        return f"Node {name} is already a worker."

    return for_each(context, names, act)


def update(context: Context, flags: Flags, names: list[str]) -> int:
    def change(spec: dict[str, Any]) -> bool:
        for name, key in (("role", "Role"), ("availability", "Availability")):
            if flags.given(name):
                spec[key] = flags.text(name)
        labels = spec.get("Labels") or {}
        labels.update(flags.mapping("label-add"))
        for key in flags.items("label-rm"):
            labels.pop(key, None)
        spec["Labels"] = labels
        return True

    _change(context.client, names[0], change)
    context.say(names[0])
    return 0


def remove(context: Context, flags: Flags, names: list[str]) -> int:
    query = [("force", "1")] if flags.on("force") else []
    return for_each(context, names, lambda name: context.client.delete(path(name), query) or name)


PROMOTE = Command(promote, "NODE [NODE...]", least=1, most=None)
DEMOTE = Command(demote, "NODE [NODE...]", least=1, most=None)
UPDATE = Command(
    update,
    "[OPTIONS] NODE",
    flags=(
        Flag("availability", "", "string", 'Availability ("active", "pause", "drain")'),
        Flag("label-add", "", "list", 'Add or update a node label ("key=value")', check=label),
        Flag("label-rm", "", "list", "Remove a node label if exists"),
        Flag("role", "", "string", 'Role of the node ("worker", "manager")'),
    ),
    least=1,
    most=1,
)
RM = Command(
    remove,
    "[OPTIONS] NODE [NODE...]",
    flags=(Flag("force", "f", "bool", "Force remove a node from the swarm"),),
    least=1,
    most=None,
)
