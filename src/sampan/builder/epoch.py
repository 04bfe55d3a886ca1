"""SOURCE_DATE_EPOCH: the one time of a build that is to come out the same everywhere.

The build argument of that name (seconds) replaces the time of day in the image's `created` and in
its history, and no file of a layer is younger than it. Everything else that goes into an image
(sorted archives, no access times, no names of this machine) never depends on when or where it is
built, so equal contexts on equal bases give equal digests.
"""

from collections.abc import Mapping

from sampan.errors import InvalidArgument

EPOCH_ARGUMENT = "SOURCE_DATE_EPOCH"
_NANOS = 1_000_000_000
_LIMIT_S = 253_402_300_799  # the end of the year 9999


class BadEpoch(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid {EPOCH_ARGUMENT}: {text}")


def epoch_of(build_args: Mapping[str, str | None]) -> int | None:
    """In nanoseconds; None when the build is to have real times. Raises BadEpoch."""
    text = build_args.get(EPOCH_ARGUMENT)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > _LIMIT_S:
        raise BadEpoch(text)
    return int(text) * _NANOS
