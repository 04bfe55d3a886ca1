"""Passwords (argon2id) and random secrets (access tokens, sessions), as they are kept.

A password is hashed slowly, with the library's recommended cost (RFC 9106's second profile), by
few threads at a time: hashing takes 64 MiB each. A random secret of 256 bits needs no slow hash:
its SHA-256 is what the database holds, so a stolen database opens no session. Checking the
password of a name that doesn't exist takes as long as of one that does.
"""

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHES_AT_ONCE = 4  # 64 MiB each
TOKEN_PREFIX = "smp_pat_"  # says what it is to whoever finds one in a log  # noqa: S105
SESSION_BYTES = 32


class Passwords:
    """Thread-safe; every call blocks for some tens of milliseconds."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        with self._room:
            return self._hasher.hash(password)

    def verify(self, hashed: str | None, password: str) -> bool:
        """False also for an account without a password (None): after the same work."""
        with self._room:
            try:
                matches = self._hasher.verify(hashed or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return matches and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Was it hashed with another cost than today's?"""
        return self._hasher.check_needs_rehash(hashed)


def new_access_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_session_id() -> str:
    return secrets.token_urlsafe(SESSION_BYTES)


def fingerprint(secret: str) -> str:
    """What is kept of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
