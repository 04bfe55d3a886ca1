"""Credentials as clients hand them over: one request's header, or a build's map of registries.

Nothing is kept here: the engine holds no passwords, each request brings its own. Decoding is
lenient (URL-safe or standard base64, padded or not) because clients differ; what can't be decoded
counts as anonymous, as it does for Docker.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.registry.settings import HUB_DOMAIN, HUB_INDEX, HUB_REGISTRY


@dataclass(frozen=True, slots=True)
class Credentials:
    """At most one way in: a bearer token, an identity (refresh) token, or name and password."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""
    server_address: str = ""

    @property
    def anonymous(self) -> bool:
        return not (self.username or self.identity_token or self.registry_token)

    def __repr__(self) -> str:  # never a secret in a log line
        return f"Credentials(username={self.username!r}, server={self.server_address!r})"


ANONYMOUS = Credentials()


class _AuthConfig(msgspec.Struct, frozen=True):
    username: str | None = None
    password: str | None = None
    auth: str | None = None
    serveraddress: str | None = None
    identitytoken: str | None = None
    registrytoken: str | None = None


def from_header(value: str | None) -> Credentials:
    """Decode `X-Registry-Auth`; anonymous when there is none or it can't be read."""
    try:
        return from_auth_config(msgspec.json.decode(_decode_base64(value or ""), type=_AuthConfig))
    except (ValueError, msgspec.MsgspecError):
        return ANONYMOUS


def from_json(body: bytes) -> Credentials:
    """Decode the body of POST /auth. Raises ValueError."""
    return from_auth_config(msgspec.json.decode(body, type=_AuthConfig))


def from_config_header(value: str | None) -> dict[str, Credentials]:
    """Decode `X-Registry-Config` (build): registry host -> credentials."""
    try:
        decoded = msgspec.json.decode(_decode_base64(value or ""), type=dict[str, _AuthConfig])
    except (ValueError, msgspec.MsgspecError):
        return {}
    return {_domain(server): from_auth_config(config) for server, config in decoded.items()}


def for_domain(keychain: Mapping[str, Credentials], domain: str) -> Credentials:
    """The credentials for the images of `domain`."""
    return keychain.get(domain, ANONYMOUS)


def from_auth_config(config: Any) -> Credentials:
    """From any object with the members of Docker's AuthConfig."""
    username, password = config.username or "", config.password or ""
    if config.auth and not username:
        username, _, password = _decode_base64(config.auth).decode().partition(":")
    return Credentials(
        username,
        password.rstrip("\0"),
        config.identitytoken or "",
        config.registrytoken or "",
        config.serveraddress or "",
    )


def _domain(server: str) -> str:
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB_DOMAIN if host in {"index.docker.io", HUB_REGISTRY} or server == HUB_INDEX else host


def _decode_base64(text: str) -> bytes:
    """Raises ValueError."""
    text = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
