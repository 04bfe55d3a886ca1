"""`swarm init`, `join`, `leave` and `unlock`: this node's part in a swarm."""

from __future__ import annotations

from sampan.cli.command import PROGRAM, Command, Exit
from sampan.cli.commands.swarm.settings_flags import SETTINGS, lay_over
from sampan.cli.commands.swarm.tokens import join_command, unlock_notice
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

LISTEN = "0.0.0.0:2377"
AVAILABILITIES = ("active", "pause", "drain")


def _availability(text: str) -> str:
    if text not in AVAILABILITIES:
        raise ValueError(
            f'invalid availability "{text}", only "active", "pause" and "drain" are supported'
        )
    return text


def address(text: str) -> str:
    """host[:port], with the port of swarms when there is none."""
    host, colon, port = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        return f"{text}:2377"
    if not colon or (":" in host and not host.startswith("[")):
        return f"{text}:2377"
    if not port.isdecimal():
        raise ValueError(f"invalid listen address {text}")
    return text


_COMMON = (
    Flag(
        "advertise-addr",
        "",
        "string",
        'Advertised address (format: "<ip|interface>[:port]")',
    ),
    Flag(
        "availability",
        "",
        "string",
        'Availability of the node ("active", "pause", "drain")',
        shown="active",
        check=_availability,
    ),
    Flag("data-path-addr", "", "string", "Address or interface to use for data path traffic"),
    Flag(
        "listen-addr",
        "",
        "node-addr",
        'Listen address (format: "<ip|interface>[:port]")',
        default=LISTEN,
        check=address,
    ),
)


def init(context: Context, flags: Flags, _words: list[str]) -> int:
    spec: dict[str, Any] = {
        "Labels": None,
        "Orchestration": {},
        "Raft": {"ElectionTick": 0, "HeartbeatTick": 0},
        "Dispatcher": {},
        "CAConfig": {},
        "TaskDefaults": {},
        "EncryptionConfig": {"AutoLockManagers": False},
    }
    lay_over(spec, flags)
    body = {
        "ListenAddr": flags.text("listen-addr"),
        "AdvertiseAddr": flags.text("advertise-addr"),
        "DataPathAddr": flags.text("data-path-addr"),
        "DataPathPort": flags.number("data-path-port"),
        "ForceNewCluster": flags.on("force-new-cluster"),
        "Spec": spec,
        "AutoLockManagers": flags.on("autolock"),
        "Availability": flags.text("availability"),
        "DefaultAddrPool": flags.items("default-addr-pool"),
        "SubnetSize": flags.number("default-addr-pool-mask-length"),
    }
    client = context.client
    node = client.post("/swarm/init", body=body)
    context.say(f"Swarm initialized: current node ({node}) is now a manager.\n")
    context.out(join_command(client, node, "worker"))
    context.out(
        f"To add a manager to this swarm, run '{PROGRAM} swarm join-token manager' and follow "
        "the instructions.\n\n"
    )
    if flags.on("autolock"):
        context.out(unlock_notice(client.get("/swarm/unlockkey")["UnlockKey"]))
    return 0


def join(context: Context, flags: Flags, words: list[str]) -> int:
    body = {
        "ListenAddr": flags.text("listen-addr"),
        "AdvertiseAddr": flags.text("advertise-addr"),
        "DataPathAddr": flags.text("data-path-addr"),
        "RemoteAddrs": words,
        "JoinToken": flags.text("token"),
        "Availability": flags.text("availability"),
    }
    context.client.post("/swarm/join", body=body)
    swarm = context.client.get("/info").get("Swarm") or {}
    part = "manager" if swarm.get("ControlAvailable") else "worker"
    context.say(f"This node joined a swarm as a {part}.")
    return 0


def leave(context: Context, flags: Flags, _words: list[str]) -> int:
    context.client.post("/swarm/leave", [("force", "1")] if flags.on("force") else [])
    context.say("Node left the swarm.")
    return 0


def unlock(context: Context, _flags: Flags, _words: list[str]) -> int:
    import sys

    state = (context.client.get("/info").get("Swarm") or {}).get("LocalNodeState", "")
    if state == "inactive":
        raise Exit(1, "Error: This node is not part of a swarm")
    if state != "locked":
        raise Exit(1, "Error: swarm is not locked")
    if sys.stdin.isatty():
        from getpass import getpass

        key = getpass("Enter unlock key: ")
    else:
        key = sys.stdin.readline().strip()
    context.client.post("/swarm/unlock", body={"UnlockKey": key})
    return 0


INIT = Command(
    init,
    "[OPTIONS]",
    flags=(
        *_COMMON,
        *SETTINGS,
        Flag("autolock", "", "bool", "Enable manager autolocking"),
        Flag("data-path-port", "", "uint32", "Port number to use for data path traffic"),
        Flag("default-addr-pool", "", "ipNetSlice", "Default address pool in CIDR format"),
        Flag(
            "default-addr-pool-mask-length",
            "",
            "uint32",
            "Default address pool subnet mask length",
            default=24,
        ),
        Flag("force-new-cluster", "", "bool", "Force create a new cluster from current state"),
    ),
)
JOIN = Command(
    join,
    "[OPTIONS] HOST:PORT",
    flags=(*_COMMON, Flag("token", "", "string", "Token for entry into the swarm")),
    least=1,
    most=1,
)
LEAVE = Command(
    leave,
    "[OPTIONS]",
    flags=(Flag("force", "f", "bool", "Force this node to leave the swarm, ignoring warnings"),),
)
UNLOCK = Command(unlock, "")
