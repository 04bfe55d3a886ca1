"""Restart policies: `no`, `always`, `unless-stopped`, `on-failure[:count]`."""

from __future__ import annotations

from sampan.errors import InvalidArgument


def restart_policy(text: str) -> dict[str, object]:
    name, colon, count = text.partition(":")
    if colon and not name:
        raise InvalidArgument("invalid restart policy format: no policy provided before colon")
    if ":" in count:
        raise InvalidArgument("invalid restart policy format")
    if colon and not count.removeprefix("-").isdecimal():
        raise InvalidArgument(
            "invalid restart policy format: maximum retry count must be an integer"
        )
    return {"Name": name, "MaximumRetryCount": int(count) if colon else 0}
