"""The volume drivers: a visible table, and the options of the only one there is.

`local` options are those of mount(8) as Docker takes them: `type` (file system), `device`
(source) and `o` (comma-separated options, flags among them). Without options a volume is a plain
directory.
"""

import socket
from collections.abc import Mapping

from sampan.errors import InvalidArgument, NotFound
from sampan.linux.mounts import Mount

DRIVERS = ("local",)

_KNOWN = {"type", "device", "o", "size"}


class NoSuchDriver(NotFound):
    def __init__(self, volume: str, driver: str) -> None:
        super().__init__(
            f'create {volume}: error looking up volume plugin {driver}: plugin "{driver}" not found'
        )


def check_options(name: str, options: Mapping[str, str]) -> None:
    """Raises InvalidArgument for options that the local driver doesn't take."""
    for key, value in options.items():
        if key not in _KNOWN:
            raise InvalidArgument(f'create {name}: invalid option: "{key}"')
        if not value and key != "o":
            raise InvalidArgument(f'create {name}: missing value in "{key}"')
    if "device" in options and "type" not in options:
        raise InvalidArgument(f'create {name}: missing required option: "type"')
    if "type" in options and "device" not in options:
        raise InvalidArgument(f'create {name}: missing required option: "device"')


def mount_of(options: Mapping[str, str]) -> Mount | None:
    """The mount that makes the volume's data appear; None for a plain directory."""
    if "type" not in options:
        return None
    words = [word for word in options.get("o", "").split(",") if word]
    return Mount(
        fstype=options["type"],
        source=options["device"],
        options=tuple(_resolve_nfs(options["type"], words)),
    )


def _resolve_nfs(fstype: str, words: list[str]) -> list[str]:
    """The kernel wants an address where people write `addr=host` for NFS and CIFS."""
    if not fstype.startswith(("nfs", "cifs")):
        return words
    resolved = []
    for word in words:
        key, equals, value = word.partition("=")
        if key == "addr" and equals:
            try:
                value = socket.gethostbyname(value)
            except OSError as error:
                raise InvalidArgument(
                    f"error resolving passed in network volume address: {error}"
                ) from error
            word = f"addr={value}"
        resolved.append(word)
    return resolved
