"""`login` and `logout`: credentials in the configuration file."""

from __future__ import annotations

import binascii
import sys

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.references import INDEX_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

HUB_NAMES = frozenset({"", "docker.io", "index.docker.io", "registry-1.docker.io"})


def _key(server: str) -> str:
    bare = server.partition("://")[2] or server
    bare = bare.partition("/")[0]
    return INDEX_KEY if bare in HUB_NAMES else bare


def _password(flags: Flags) -> str:
    if flags.on("password-stdin"):
        if flags.given("password"):
            raise Exit(1, "--password and --password-stdin are mutually exclusive")
        if not flags.text("username"):
            raise Exit(1, "Must provide --username with --password-stdin")
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    return flags.text("password")


def _ask(flags: Flags, password: str) -> tuple[str, str]:
    user = flags.text("username")
    if user and password:
        return user, password
    if not sys.stdin.isatty():
        raise Exit(1, "Error: Cannot perform an interactive login from a non TTY device")
    from getpass import getpass

    user = user or input("Username: ").strip()
    if not user:
        raise Exit(1, "Error: Non-null Username Required")
    password = password or getpass("Password: ")
    if not password:
        raise Exit(1, "Error: Password Required")
    return user, password


def login(context: Context, flags: Flags, servers: list[str]) -> int:
    key = _key(servers[0] if servers else "")
    if flags.given("password") and not flags.on("password-stdin"):
        context.err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    user, password = _ask(flags, _password(flags))
    answer = context.client.post(
        "/auth", body={"username": user, "password": password, "serveraddress": key}
    )
    answer = answer if isinstance(answer, dict) else {}
    entry: dict[str, str] = {}
    if answer.get("IdentityToken"):
        entry["auth"] = _pair(user, "")
        entry["identitytoken"] = answer["IdentityToken"]
    else:
        entry["auth"] = _pair(user, password)
    config = context.config
    config.values["auths"] = {**config.section("auths"), key: entry}
    config.save()
    context.err(
        f"\nWARNING! Your credentials are stored unencrypted in '{config.path}'.\n"
        "Configure a credential helper to remove this warning.\n\n"
    )
    context.say(answer.get("Status") or "Login Succeeded")
    return 0


def _pair(user: str, password: str) -> str:
    return binascii.b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def logout(context: Context, _flags: Flags, servers: list[str]) -> int:
    key = _key(servers[0] if servers else "")
    config = context.config
    auths = dict(config.section("auths"))
    known = [name for name in auths if _key(name) == key]
    context.say(f"Removing login credentials for {key}")
    if not known:
        return 0
    for name in known:
        del auths[name]
    config.values["auths"] = auths
    config.save()
    return 0


LOGIN = Command(
    login,
    "[OPTIONS] [SERVER]",
    flags=(
        Flag("password", "p", "string", "Password or personal access token"),
        Flag("password-stdin", "", "bool", "Take the password from stdin"),
        Flag("username", "u", "string", "Username"),
    ),
    most=1,
)
LOGOUT = Command(logout, "[SERVER]", most=1)
