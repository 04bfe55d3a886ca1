"""`swarm join-token` and `unlock-key`, and the notices that others print as well."""

from __future__ import annotations

from sampan.cli.command import PROGRAM, Command, Exit
from sampan.cli.flags import Flag
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.client.api import Client

ROLES = ("worker", "manager")


def join_command(client: Client, node_id: str, role: str) -> str:
    """How to add a node; empty when this one has no address to join at."""
    node = client.get(f"/nodes/{quote(node_id)}")
    tokens = client.get("/swarm")["JoinTokens"]
    manager = node.get("ManagerStatus")
    if not manager:
        return ""
    token = tokens["Manager" if role == "manager" else "Worker"]
    return (
        f"To add a {role} to this swarm, run the following command:\n\n"
        f"    {PROGRAM} swarm join --token {token} {manager.get('Addr', '')}\n\n"
    )


def unlock_notice(key: str) -> str:
    return (
        f"To unlock a swarm manager after it restarts, run the `{PROGRAM} swarm unlock`\n"
        f"command and provide the following key:\n\n    {key}\n\n"
        "Remember to store this key in a password manager, since without it you\n"
        "will not be able to restart the manager.\n"
    )


def rotate(
    client: Client, *, worker: bool = False, manager: bool = False, key: bool = False
) -> None:
    """Posts the swarm's spec as it is, with what shall be made anew."""
    swarm = client.get("/swarm")
    query = [
        ("version", str(swarm["Version"]["Index"])),
        ("rotateWorkerToken", "true" if worker else "false"),
        ("rotateManagerToken", "true" if manager else "false"),
        ("rotateManagerUnlockKey", "true" if key else "false"),
    ]
    client.post("/swarm/update", query, swarm["Spec"])


def join_token(context: Context, flags: Flags, words: list[str]) -> int:
    role, client = words[0], context.client
    if role not in ROLES:
        raise Exit(1, f"unknown role {role}")
    if flags.on("rotate"):
        rotate(client, worker=role == "worker", manager=role == "manager")
        if not flags.on("quiet"):
            context.out(f"Successfully rotated {role} join token.\n\n")
    if flags.on("quiet"):
        tokens = client.get("/swarm")["JoinTokens"]
        context.say(tokens["Manager" if role == "manager" else "Worker"])
        return 0
    node = client.get("/info")["Swarm"]["NodeID"]
    context.out(join_command(client, node, role))
    return 0


def unlock_key(context: Context, flags: Flags, _words: list[str]) -> int:
    client = context.client
    if flags.on("rotate"):
        if not client.get("/swarm")["Spec"]["EncryptionConfig"]["AutoLockManagers"]:
            raise Exit(1, "cannot rotate because autolock is not turned on")
        rotate(client, key=True)
        if not flags.on("quiet"):
            context.out("Successfully rotated manager unlock key.\n\n")
    key = client.get("/swarm/unlockkey")["UnlockKey"]
    if not key:
        raise Exit(1, "no unlock key is set")
    context.out(key + "\n" if flags.on("quiet") else unlock_notice(key))
    return 0


_QUIET = Flag("quiet", "q", "bool", "Only display token")
JOIN_TOKEN = Command(
    join_token,
    "[OPTIONS] (worker|manager)",
    flags=(_QUIET, Flag("rotate", "", "bool", "Rotate join token")),
    least=1,
    most=1,
)
UNLOCK_KEY = Command(
    unlock_key,
    "[OPTIONS]",
    flags=(_QUIET, Flag("rotate", "", "bool", "Rotate unlock key")),
)
