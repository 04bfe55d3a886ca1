"""`node ls`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import Flag
from sampan.cli.naturally import natural_order
from sampan.cli.output import Listing
from sampan.client.api import filters_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

TYPE_NAME = "*node.nodeContext"
FIELDS = ("Marked", "Hostname", "Status", "Availability", "ManagerStatus", "EngineVersion")


def manager_word(node: dict[str, Any]) -> str:
    manager = node.get("ManagerStatus")
    if not manager:
        return ""
    return "Leader" if manager.get("Leader") else str(manager.get("Reachability", "")).capitalize()


def _tls(node: dict[str, Any], root: str) -> str:
    if not root:
        return "Unknown"
    return "Ready" if node["Description"]["TLSInfo"].get("TrustRoot") == root else "Needs Rotation"


def listing(self_id: str, root: str = "") -> Listing:
    columns: dict[str, Any] = {
        "ID": ("ID", lambda node: node["ID"]),
        "Self": ("", lambda node: node["ID"] == self_id),
        "Marked": ("ID", lambda node: node["ID"] + (" *" if node["ID"] == self_id else "  ")),
        "Hostname": ("HOSTNAME", lambda node: node["Description"].get("Hostname", "")),
        "Status": ("STATUS", lambda node: node["Status"].get("State", "").capitalize()),
        "Availability": (
            "AVAILABILITY",
            lambda node: node["Spec"].get("Availability", "").capitalize(),
        ),
        "ManagerStatus": ("MANAGER STATUS", manager_word),
        "EngineVersion": (
            "ENGINE VERSION",
            lambda node: node["Description"]["Engine"].get("EngineVersion", ""),
        ),
        "TLSStatus": ("TLS STATUS", lambda node: _tls(node, root)),
    }
    return Listing(TYPE_NAME, columns, FIELDS)


def run(context: Context, flags: Flags, _words: list[str]) -> int:
    filters = flags.filters()
    query = [("filters", filters_text(filters))] if filters else []
    nodes = context.client.get("/nodes", query)
    if flags.on("quiet"):
        context.out("".join(node["ID"] + "\n" for node in nodes))
        return 0
    nodes.sort(key=lambda node: natural_order(node["Description"].get("Hostname", "")))
    swarm = context.client.get("/info").get("Swarm") or {} if nodes else {}
    cluster = swarm.get("Cluster") or {}
    root = (cluster.get("TLSInfo") or {}).get("TrustRoot", "")
    format_text = flags.text("format") or context.config.text("nodesFormat")
    context.out(listing(swarm.get("NodeID", ""), root).text(nodes, format_text))
    return 0


LS = Command(
    run,
    "[OPTIONS]",
    flags=(
        Flag("filter", "f", "filter", "Filter output based on conditions provided"),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("quiet", "q", "bool", "Only display IDs"),
    ),
)
