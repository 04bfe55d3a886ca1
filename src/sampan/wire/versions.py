"""API versions: what we serve, what a request's path prefix means, what we are called.

The client takes the lower of its own newest version and ours (`Api-Version`, told by `/_ping`)
and puts it before every path. A path without a prefix means our newest.
"""

import re
from typing import NamedTuple

from sampan.errors import InvalidArgument

ENGINE_VERSION = "0.1.0"  # the package's version; a test compares it with pyproject.toml
# What clients are told: the Docker release that brought MAXIMUM, then our own version, as
# distributions do it (20.10.24+dfsg1). Programs refuse engines that look older than some Docker.
REPORTED_VERSION = f"28.3.0+sampan{ENGINE_VERSION}"
PLATFORM_NAME = "Sampan"

_PREFIX = re.compile(r"/v([0-9.]+)(/.*)?")


class ApiVersion(NamedTuple):
    """Compares as numbers: 1.9 is older than 1.10."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


MINIMUM = ApiVersion(1, 24)
MAXIMUM = ApiVersion(1, 51)


class VersionTooOld(InvalidArgument):
    def __init__(self, version: str) -> None:
        super().__init__(
            f"client version {version} is too old. Minimum supported API version is {MINIMUM}, "
            "please upgrade your client to a newer version"
        )


class VersionTooNew(InvalidArgument):
    def __init__(self, version: str) -> None:
        super().__init__(
            f"client version {version} is too new. Maximum supported API version is {MAXIMUM}"
        )


def parse_version(text: str) -> ApiVersion:
    """`1.41`; parts that are missing or too many don't hurt, as in Docker's comparison."""
    numbers = [int(part) for part in text.split(".") if part]
    major, minor = (*numbers, 0, 0)[:2]
    return ApiVersion(major, minor)


def split_path(path: str) -> tuple[ApiVersion, str]:
    """(version to speak, path without its prefix). Raises VersionTooOld or VersionTooNew."""
    match = _PREFIX.fullmatch(path)
    if match is None:
        return MAXIMUM, path
    text, rest = match.groups()
    version = parse_version(text)
    if version < MINIMUM:
        raise VersionTooOld(text)
    if version > MAXIMUM:
        raise VersionTooNew(text)
    return version, rest or "/"
