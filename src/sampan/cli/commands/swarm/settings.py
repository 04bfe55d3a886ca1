"""`swarm update` and `swarm ca`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.swarm.settings_flags import SETTINGS, external_ca, lay_over
from sampan.cli.commands.swarm.tokens import unlock_notice
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.client.api import Client

PAUSE_S = 0.2
KEEP = [(f"rotate{name}", "false") for name in ("WorkerToken", "ManagerToken", "ManagerUnlockKey")]


def _post(client: Client, swarm: dict[str, Any], spec: dict[str, Any]) -> None:
    client.post("/swarm/update", [("version", str(swarm["Version"]["Index"])), *KEEP], spec)


def update(context: Context, flags: Flags, _words: list[str]) -> int:
    if not any(flags.given(flag.name) for flag in UPDATE.flags):
        raise Exit(1, "you must provide one or more flags when using this command")
    client = context.client
    swarm = client.get("/swarm")
    spec = swarm["Spec"]
    locked = spec["EncryptionConfig"]["AutoLockManagers"]
    lay_over(spec, flags)
    _post(client, swarm, spec)
    context.say("Swarm updated.")
    if flags.on("autolock") and not locked:
        context.out(unlock_notice(client.get("/swarm/unlockkey")["UnlockKey"]))
    return 0


def authority(context: Context, flags: Flags, _words: list[str]) -> int:
    client = context.client
    swarm = client.get("/swarm")
    if not flags.on("rotate"):
        for name in ("ca-cert", "ca-key", "cert-expiry", "external-ca"):
            if flags.given(name):
                raise Exit(1, f"`--{name}` flag requires the `--rotate` flag to update the CA")
        root = (swarm.get("TLSInfo") or {}).get("TrustRoot", "")
        if not root:
            raise Exit(1, "No CA information available")
        context.out(root)
        return 0
    if flags.given("ca-key") and not flags.given("ca-cert"):
        raise Exit(1, "the --ca-key flag requires the --ca-cert flag")
    spec = swarm["Spec"]
    lay_over(spec, flags)
    config = spec["CAConfig"]
    config["ForceRotate"] = config.get("ForceRotate", 0) + 1
    if flags.given("ca-cert"):
        config["SigningCACert"] = flags.text("ca-cert")
        config["SigningCAKey"] = flags.text("ca-key")
    _post(client, swarm, spec)
    if flags.on("detach"):
        return 0
    context.out(_rotated(client))
    return 0


def _rotated(client: Client) -> str:
    """The new root, once all nodes have certificates of it."""
    import time

    while True:
        swarm = client.get("/swarm")
        if not swarm.get("RootRotationInProgress"):
            return str(swarm["TLSInfo"]["TrustRoot"])
        time.sleep(PAUSE_S)


def _file(path: str) -> str:
    from pathlib import Path

    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


UPDATE = Command(
    update,
    "[OPTIONS]",
    flags=(*SETTINGS, Flag("autolock", "", "bool", "Change manager autolocking setting")),
)
CA = Command(
    authority,
    "[OPTIONS]",
    flags=(
        Flag("ca-cert", "", "pem-file", "File with the new cluster's CA certificate", check=_file),
        Flag("ca-key", "", "pem-file", "File with the new cluster's CA key", check=_file),
        Flag("cert-expiry", "", "duration", "Validity period for node certificates"),
        Flag("detach", "d", "bool", "Exit immediately instead of waiting for the rotation"),
        Flag("external-ca", "", "external-ca", "Certificate signing endpoints", check=external_ca),
        Flag("quiet", "q", "bool", "Suppress progress output"),
        Flag("rotate", "", "bool", "Rotate the swarm CA"),
    ),
)
