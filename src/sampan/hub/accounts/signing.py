"""The hub's own tokens: signed, short-lived JSON Web Tokens (RFC 7519), by one Ed25519 key.

    <root>/token-key.pem   0600, made at the first start, never leaves the machine

Three kinds, told apart by their audience so that none passes for another:

    registry   for /v2/ blobs and manifests; carries an access list; 5 minutes
    api        for the hub's HTTP API; carries the account and its ceiling; a day
    refresh    to get registry tokens without the password; a month; for clients that ask

The last two die with the account's password or the access token that they came from (`stamp`).

Only EdDSA is accepted, whatever a token's header says, and only with our key id.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sampan.errors import DataLoss, Unauthenticated
from sampan.hub.accounts.scopes import Grant
from sampan.lib.atomicfile import write_atomic

ALGORITHM = "EdDSA"
ISSUER = "sampan-hub"
REGISTRY, API, REFRESH = "registry", "api", "refresh"
REGISTRY_LIFE_S = 300
API_LIFE_S = 24 * 3600
REFRESH_LIFE_S = 30 * 24 * 3600
LEEWAY_S = 5  # clocks of one machine and its containers
_REQUIRED = ["exp", "nbf", "iat", "iss", "aud", "sub"]


class BadToken(Unauthenticated):
    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid token: {reason}")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked token says. `subject`: the account's name, "" for anonymous."""

    subject: str
    scope: str | None = None
    stamp: str = ""
    grants: tuple[Grant, ...] = ()


class Signer:
    """Makes and checks tokens; thread-safe. `clock` is seconds since the epoch."""

    def __init__(self, key: Ed25519PrivateKey, *, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        public = key.public_key()
        self._public = public
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = sha256(raw).hexdigest()[:16]

    def registry_token(
        self,
        subject: str,
        service: str,
        grants: Iterable[Grant],
        *,
        scope: str | None = None,
        life_s: int = REGISTRY_LIFE_S,
    ) -> str:
        access = [
            {"type": grant.type, "name": grant.name, "actions": list(grant.actions)}
            for grant in grants
        ]
        more = {"access": access, "scope": scope}
        return self._sign(subject, f"{REGISTRY}:{service}", life_s, more)

    def api_token(self, subject: str, *, scope: str | None, stamp: str) -> str:
        return self._sign(subject, API, API_LIFE_S, {"scope": scope, "stamp": stamp})

    def refresh_token(self, subject: str, *, scope: str | None, stamp: str) -> str:
        return self._sign(subject, REFRESH, REFRESH_LIFE_S, {"scope": scope, "stamp": stamp})

    def check_registry(self, token: str, service: str) -> Claims:
        """Raises BadToken."""
        return self._check(token, f"{REGISTRY}:{service}")

    def check_api(self, token: str) -> Claims:
        """Raises BadToken."""
        return self._check(token, API)

    def check_refresh(self, token: str) -> Claims:
        """Raises BadToken."""
        return self._check(token, REFRESH)

    def _sign(self, subject: str, audience: str, life_s: int, more: Mapping[str, Any]) -> str:
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now - LEEWAY_S,
            "exp": now + life_s,
            "jti": secrets.token_hex(8),
            **more,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self.key_id})

    def _check(self, token: str, audience: str) -> Claims:
        try:
            if jwt.get_unverified_header(token).get("kid") != self.key_id:
                raise BadToken("signed by another key")
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=ISSUER,
                options={
                    "require": _REQUIRED,
                    # times are checked below, against our own clock
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            return self._timely(claims)
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError) as error:
            raise BadToken(str(error)) from error

    def _timely(self, claims: dict[str, Any]) -> Claims:
        now = self._clock()
        if now >= float(claims["exp"]):
            raise BadToken("expired")
        if now + LEEWAY_S < float(claims["nbf"]):
            raise BadToken("not valid yet")
        grants = tuple(
            Grant(str(entry["type"]), str(entry["name"]), tuple(map(str, entry["actions"])))
            for entry in claims.get("access", ())
        )
        return Claims(str(claims["sub"]), claims.get("scope"), claims.get("stamp") or "", grants)


def load_key(path: Path) -> Ed25519PrivateKey:
    """The key in `path`, made there first if it isn't. Raises DataLoss."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_atomic(path, pem, mode=0o600)
        return key
    try:
        found = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise DataLoss(f"{path} isn't a private key: {error}") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise DataLoss(f"{path} isn't an Ed25519 key")
    return found
