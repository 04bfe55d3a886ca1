"""Progress streams: JSON objects one after the other (pull, push, load, import, build).

Keys: `status`, `id` (short layer id or tag), `progressDetail`, `progress` (text for old clients),
`stream`, `aux`, and at a failure `errorDetail` with `error`. An object ends with CR LF, as
dockerd writes it.
"""

from typing import Any

import msgspec

Progress = dict[str, Any]  # one object of the stream: keys above, values plain JSON


def encode(item: Progress) -> bytes:
    return msgspec.json.encode(item) + b"\r\n"


def failure(message: str, *, code: int = 0) -> Progress:
    """What ends a stream that went wrong; `code` becomes the CLI's exit status in builds."""
    detail: Progress = {"code": code, "message": message} if code else {"message": message}
    return {"errorDetail": detail, "error": message}
