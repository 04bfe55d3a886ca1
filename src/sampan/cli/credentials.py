"""Registry credentials: in the configuration file, or kept by a credential helper program.

`credHelpers` names the helper of one registry, `credsStore` that of all others. What a helper keeps
has an empty entry below `auths`, as Docker's client leaves one there.
"""

from __future__ import annotations

from sampan.cli import credential_helpers as helpers
from sampan.cli.credential_helpers import TOKEN_USER
from sampan.cli.references import INDEX_KEY, auth_key
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.config import ConfigFile
    from sampan.cli.context import Context

    Auth = dict[str, str]

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


def helper_for(config: ConfigFile, key: str) -> str:
    """The helper's name; "" when the file itself keeps the credentials."""
    return str(config.section("credHelpers").get(key) or config.text("credsStore"))


def store(config: ConfigFile, key: str, user: str, password: str, identity: str) -> bool:
    """Keep what a login gave; False: unencrypted. Raises HelperFailed."""
    import binascii

    entry: Auth = {}
    helper = helper_for(config, key)
    if helper:
        helpers.store(helper, key, TOKEN_USER if identity else user, identity or password)
    else:
        pair = f"{user}:{'' if identity else password}".encode()
        entry["auth"] = binascii.b2a_base64(pair, newline=False).decode()
        if identity:
            entry["identitytoken"] = identity
    config.values["auths"] = {**config.section("auths"), key: entry}
    config.save()
    return bool(helper)


def erase(config: ConfigFile, key: str, others: list[str]) -> None:
    """Forget a registry; `others` are older spellings of its key in the file."""
    if helper := helper_for(config, key):
        helpers.erase(helper, key)
    auths = config.section("auths")
    kept = {name: entry for name, entry in auths.items() if name not in {key, *others}}
    if len(kept) < len(auths):
        config.values["auths"] = kept
        config.save()


def auth_of(config: ConfigFile, key: str) -> Auth:
    """What is known for a registry's key; {} for anonymous. Raises HelperFailed."""
    if helper := helper_for(config, key):
        return helpers.get(helper, key)
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
    if store_name := config.text("credsStore"):
        keys.update(helpers.keys(store_name), [INDEX_KEY])
    found = {key: auth_of(config, key) for key in sorted(keys)}
    known: dict[str, object] = {key: auth for key, auth in found.items() if auth}
    import binascii

    text = binascii.b2a_base64(encode(known).encode(), newline=False).decode()
    return text.replace("+", "-").replace("/", "_")
