"""What a volume is: a named directory that outlives containers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sampan.errors import Conflict, InvalidArgument, NotFound

ANONYMOUS_LABEL = "com.docker.volume.anonymous"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Volume:
    """`mountpoint` is where the data lies on the host; `options` are the local driver's."""

    name: str
    driver: str
    mountpoint: Path
    created_ns: int
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def anonymous(self) -> bool:
        """Made without a name: `volume prune` takes these unless told otherwise."""
        return ANONYMOUS_LABEL in self.labels


class NoSuchVolume(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"get {name}: no such volume")


class InvalidVolumeName(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, '
            "use absolute path"
        )


class DriverMismatch(Conflict):
    def __init__(self, name: str, *, has: str) -> None:
        super().__init__(
            f"create {name}: conflict: volume name must be unique: "
            f"a volume named {name} already exists with the {has} driver"
        )


def check_name(name: str) -> None:
    """Raises InvalidVolumeName for a name that Docker refuses."""
    if len(name) == 1:
        raise InvalidArgument(
            f"create {name}: volume name is too short, "
            "names should be at least two alphanumeric characters"
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidVolumeName(name)
