"""Random identifiers in Docker's shape: 64 hexadecimal digits, shown as the first 12."""

import secrets
from typing import NewType

ContainerId = NewType("ContainerId", str)
ExecId = NewType("ExecId", str)
NetworkId = NewType("NetworkId", str)
EndpointId = NewType("EndpointId", str)

SHORT = 12


def random_id() -> str:
    """64 hexadecimal digits; the first 12 aren't all decimal (a numeric hostname confuses)."""
    while True:
        found = secrets.token_hex(32)
        if not found[:SHORT].isdecimal():
            return found


def short(identifier: str) -> str:
    """The first 12 digits, with a `sha256:` prefix cut off first."""
    return identifier.removeprefix("sha256:")[:SHORT]
