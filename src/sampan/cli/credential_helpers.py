"""Programs that keep registry credentials: `docker-credential-NAME get|store|erase|list`.

    get    input: the registry's key     output: {"Username", "Secret"}
    store  input: {"ServerURL", "Username", "Secret"}
    erase  input: the key
    list   output: {key: user name}

The user name `<token>` marks the secret as an identity token. A failing helper says why on its
standard output; one that knows no credentials says so in words that are the same for all helpers.
"""

from __future__ import annotations

from sampan.errors import Internal
from sampan.lib.jsontext import NotJson, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    Auth = dict[str, str]

TOKEN_USER = "<token>"  # noqa: S105 - the marker of the protocol
TIMEOUT_S = 60
_UNKNOWN = "credentials not found in native keychain"


class HelperFailed(Internal):
    """`action` as in "error getting credentials"."""

    def __init__(self, *, action: str, error: str, out: str) -> None:
        super().__init__(f"error {action} credentials - err: {error}, out: `{out}`")
        self.out = out


def get(name: str, key: str) -> Auth:
    """{} when the helper has none. Raises HelperFailed."""
    try:
        answer = _answer(_call(name, "get", "getting", key))
    except HelperFailed as error:
        if error.out == _UNKNOWN:
            return {}
        raise
    user, secret = str(answer.get("Username", "")), str(answer.get("Secret", ""))
    if not secret:
        return {}
    if user == TOKEN_USER:
        return {"identitytoken": secret, "serveraddress": key}
    return {"username": user, "password": secret, "serveraddress": key}


def store(name: str, key: str, user: str, secret: str) -> None:
    """Raises HelperFailed."""
    entry = {"ServerURL": key, "Username": user, "Secret": secret}
    _call(name, "store", "storing", encode(entry))


def erase(name: str, key: str) -> None:
    """Raises HelperFailed; to have nothing is no failure."""
    try:
        _call(name, "erase", "erasing", key)
    except HelperFailed as error:
        if error.out != _UNKNOWN:
            raise


def keys(name: str) -> list[str]:
    """The registries that a helper has credentials for. Raises HelperFailed."""
    return sorted(_answer(_call(name, "list", "listing", "")))


def _call(name: str, verb: str, action: str, given: str) -> bytes:
    import subprocess

    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            [program, verb],
            input=given.encode(),
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        reason = f'exec: "{program}": executable file not found in $PATH'
        raise HelperFailed(action=action, error=reason, out="") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HelperFailed(action=action, error=str(error), out="") from error
    if done.returncode != 0:
        out = done.stdout.decode(errors="replace").strip()
        raise HelperFailed(action=action, error=f"exit status {done.returncode}", out=out)
    return done.stdout


def _answer(text: bytes) -> dict[str, object]:
    try:
        answer = decode(text) if text.strip() else {}
    except NotJson as error:
        raise HelperFailed(action="reading", error=str(error), out="") from error
    return answer if isinstance(answer, dict) else {}
