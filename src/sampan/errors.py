"""The kinds of failure that every layer shares.

A kind says what a caller can do about the failure, not where it happened: `server/errors.py`
maps kinds to HTTP statuses, `cli/main.py` to exit codes. A subclass stands beside the code that
raises it and is built from facts. Nobody matches on message text.
"""

import os


class SampanError(Exception):
    """Base of all expected failures.

    `message` is what a user reads, `hint` what to try next (may be empty).
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidArgument(SampanError):
    """The request can't be right, whatever the state (HTTP 400)."""


class NotFound(SampanError):
    """The object named doesn't exist (HTTP 404)."""


class AlreadyExists(SampanError):
    """An object of that name exists (HTTP 409)."""


class Conflict(SampanError):
    """The object's state doesn't allow the request (HTTP 409)."""


class NotModified(SampanError):
    """Nothing to do: the state asked for is the state (HTTP 304)."""


class Denied(SampanError):
    """The request is understood and never allowed (HTTP 403)."""


class Unauthenticated(SampanError):
    """Credentials are missing or wrong (HTTP 401)."""


class Unavailable(SampanError):
    """A part that is needed can't be reached now (HTTP 503)."""


class Unsupported(SampanError):
    """Not built, or not possible on this machine (HTTP 501)."""


class Cancelled(SampanError):
    """The caller went away or asked to stop (HTTP 499-ish; 500 on the Docker API)."""


class DataLoss(SampanError):
    """Bytes are missing or don't match their digest (HTTP 500)."""


class Internal(SampanError):
    """A mechanism failed: the runtime, the kernel, the disk (HTTP 500)."""


class SystemFailed(Internal):
    """The machine refused a system call: disk full, I/O error, no memory."""

    def __init__(self, error: OSError) -> None:
        where = f"{error.filename}: " if error.filename else ""
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        super().__init__(f"{where}{why}")
