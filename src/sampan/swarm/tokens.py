"""Join tokens and unlock keys, in Docker's form.

    SWMTKN-1-<50: sha256 of the root CA's PEM bytes>-<25: 128 random bits>
    SWMKEY-1-<unpadded base64 of 32 random bytes>

Both numbers of a token are base 36, padded with zeros. The joiner compares the first with the
certificate that a manager hands it; the second is the secret that says as what one may join.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.swarm.model import ALPHABET, base36

PREFIX = "SWMTKN-1"
KEY_PREFIX = "SWMKEY-1-"
DIGEST_LENGTH, SECRET_LENGTH = 50, 25
KEY_BYTES = 32


class BadToken(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("invalid join token")


@dataclass(frozen=True, slots=True)
class JoinToken:
    """The parts of one."""

    ca_digest: str
    secret: str

    def __str__(self) -> str:
        return f"{PREFIX}-{self.ca_digest}-{self.secret}"

    def fits(self, ca_certificate: bytes) -> bool:
        """Whether the PEM text is of the CA that the token means."""
        return hmac.compare_digest(self.ca_digest, ca_digest(ca_certificate))


def new_secret() -> str:
    return base36(secrets.randbits(128), SECRET_LENGTH)


def ca_digest(ca_certificate: bytes) -> str:
    """Of the PEM bytes as they are handed out, not of the DER within."""
    number = int.from_bytes(hashlib.sha256(ca_certificate).digest(), "big")
    return base36(number, DIGEST_LENGTH)


def parse_token(text: str) -> JoinToken:
    """Raises BadToken."""
    parts = text.strip().split("-")
    if len(parts) != 4 or "-".join(parts[:2]) != PREFIX:
        raise BadToken
    digest, secret = parts[2:]
    lengths = (len(digest), len(secret))
    if lengths != (DIGEST_LENGTH, SECRET_LENGTH) or not set(digest + secret) <= set(ALPHABET):
        raise BadToken
    return JoinToken(digest, secret)


def new_unlock_key() -> str:
    return KEY_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b"=").decode()


def parse_unlock_key(text: str) -> bytes:
    """The 32 bytes. Raises InvalidArgument."""
    encoded = text.strip().removeprefix(KEY_PREFIX)
    try:
        found = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        found = b""
    if not text.strip().startswith(KEY_PREFIX) or len(found) != KEY_BYTES:
        raise InvalidArgument("invalid key")
    return found
