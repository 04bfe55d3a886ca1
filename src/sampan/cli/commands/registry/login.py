"""`login` and `logout`: credentials in the configuration file, or in a helper's care."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.credentials import auth_of, erase, store
from sampan.cli.flags import Flag
from sampan.cli.references import INDEX_KEY
from sampan.client.errors import EngineError

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
    password = _password(flags)
    if not flags.text("username") and not password and _with_existing(context, key):
        return 0
    user, password = _ask(flags, password)
    answer = _try(context, {"username": user, "password": password, "serveraddress": key})
    is_safe = store(context.config, key, user, password, answer.get("IdentityToken") or "")
    if not is_safe:
        context.err(
            f"\nWARNING! Your credentials are stored unencrypted in '{context.config.path}'.\n"
            "Configure a credential helper to remove this warning.\n\n"
        )
    context.say(answer.get("Status") or "Login Succeeded")
    return 0


def _with_existing(context: Context, key: str) -> bool:
    """Whether what is kept for the registry still opens it."""
    known = auth_of(context.config, key)
    if not known:
        return False
    context.err("Authenticating with existing credentials...\n")
    try:
        answer = _try(context, known)
    except EngineError as error:
        context.err(f"Login did not succeed, error: {error.message}\n")
        return False
    context.say(answer.get("Status") or "Login Succeeded")
    return True


def _try(context: Context, auth: dict[str, str]) -> dict[str, str]:
    answer = context.client.post("/auth", body=auth)
    return answer if isinstance(answer, dict) else {}


def logout(context: Context, _flags: Flags, servers: list[str]) -> int:
    key = _key(servers[0] if servers else "")
    known = [name for name in context.config.section("auths") if _key(name) == key]
    context.say(f"Removing login credentials for {key}")
    erase(context.config, key, known)
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
