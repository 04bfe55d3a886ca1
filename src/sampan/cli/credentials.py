"""Registry credentials: from the configuration file, or from a credential helper program.

A helper is `docker-credential-NAME get`, fed the registry's key on its input and answering
{"Username", "Secret"}; the user name `<token>` marks the secret as an identity token.
"""

from __future__ import annotations

from sampan.cli.references import INDEX_KEY, auth_key
from sampan.client.jsontext import NotJson, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.config import ConfigFile
    from sampan.cli.context import Context

    Auth = dict[str, str]

TOKEN_USER = "<token>"  # noqa: S105 - the marker of the helper protocol
ANONYMOUS = "e30="


def encode_auth(auth: Auth) -> str:
    """base64url of the JSON, padded, as the engine's headers have it."""
    import binascii

    if not auth:
        return ANONYMOUS
    text = binascii.b2a_base64(encode(auth).encode(), newline=False).decode()
    return text.replace("+", "-").replace("/", "_")


def _decode_pair(text: str) -> tuple[str, str]:
    import binascii

    try:
        user, _, password = binascii.a2b_base64(text).decode().partition(":")
    except (ValueError, UnicodeDecodeError):
        return "", ""
    return user, password.strip("\0")


def _bare(key: str) -> str:
    """A registry's key without scheme and path: keys of older files carry both."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def _from_helper(name: str, key: str) -> Auth:
    import subprocess

    try:
        done = subprocess.run(
            [f"docker-credential-{name}", "get"],
            input=key.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        answer = decode(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, NotJson):
        return {}
    user, secret = str(answer.get("Username", "")), str(answer.get("Secret", ""))
    if not secret:
        return {}
    if user == TOKEN_USER:
        return {"identitytoken": secret, "serveraddress": key}
    return {"username": user, "password": secret, "serveraddress": key}


def _helper_for(config: ConfigFile, key: str) -> str:
    return str(config.section("credHelpers").get(key) or config.text("credsStore"))


def auth_of(config: ConfigFile, key: str) -> Auth:
    """What is known for a registry's key; {} for anonymous."""
    if helper := _helper_for(config, key):
        return _from_helper(helper, key)
    auths = config.section("auths")
    found = auths.get(key)
    if found is None:
        bare = _bare(key)
        found = next((entry for known, entry in auths.items() if _bare(known) == bare), None)
    if not isinstance(found, dict):
        return {}
    user, password = found.get("username", ""), found.get("password", "")
    if found.get("auth"):
        user, password = _decode_pair(str(found["auth"]))
    auth = {"username": user, "password": password, "serveraddress": key}
    for member in ("identitytoken", "registrytoken"):
        if found.get(member):
            auth[member] = str(found[member])
    return {name: value for name, value in auth.items() if value}


def auth_header(context: Context, name: str) -> str:
    """`X-Registry-Auth` for the registry of a canonical image name."""
    return encode_auth(auth_of(context.config, auth_key(name)))


def all_auths_header(context: Context) -> str:
    """`X-Registry-Config` of a build: every registry's credentials by key."""
    config = context.config
    keys = {*config.section("auths"), *config.section("credHelpers")}
    if config.text("credsStore"):
        keys.add(INDEX_KEY)
    found = {key: auth_of(config, key) for key in sorted(keys)}
    known: dict[str, object] = {key: auth for key, auth in found.items() if auth}
    import binascii

    text = binascii.b2a_base64(encode(known).encode(), newline=False).decode()
    return text.replace("+", "-").replace("/", "_")
