"""Reading credentials out of requests. Pure but for the request's headers."""

import base64
import binascii
from dataclasses import dataclass

from aiohttp import web

from sampan.errors import Unauthenticated
from sampan.hub.accounts.logins import Attempt


class BadHeader(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("malformed Authorization header")


@dataclass(frozen=True, slots=True)
class Authorization:
    """`scheme` in lower case: basic, bearer, jwt (old hub tools), or "" for none."""

    scheme: str = ""
    value: str = ""


def authorization(request: web.BaseRequest) -> Authorization:
    """Raises BadHeader for a scheme that isn't known: never taken for anonymous."""
    header = request.headers.get("Authorization", "").strip()
    if not header:
        return Authorization()
    scheme, _, value = header.partition(" ")
    if scheme.lower() not in {"basic", "bearer", "jwt"}:
        raise BadHeader
    return Authorization(scheme.lower(), value.strip())


def basic_attempt(request: web.BaseRequest, value: str) -> Attempt:
    """Raises BadHeader."""
    try:
        name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise BadHeader from error
    if not colon:
        raise BadHeader
    return Attempt(name, secret, request.remote or "")
