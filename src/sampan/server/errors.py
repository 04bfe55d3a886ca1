"""The one map from kinds of failure to HTTP statuses, and the JSON body of an error.

The Content-Type must be exactly `application/json`: the CLI compares the whole header, and prints
raw JSON when a charset follows.
"""

import errno
import logging

from aiohttp import web

from sampan.errors import (
    AlreadyExists,
    Cancelled,
    Conflict,
    DataLoss,
    Denied,
    Internal,
    InvalidArgument,
    NotFound,
    NotModified,
    SampanError,
    SystemFailed,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from sampan.wire import codec

log = logging.getLogger(__name__)

STATUS: dict[type[SampanError], int] = {
    InvalidArgument: 400,
    NotFound: 404,
    AlreadyExists: 409,
    Conflict: 409,
    NotModified: 304,
    Denied: 403,
    Unauthenticated: 401,
    Unavailable: 503,
    Unsupported: 501,
    Cancelled: 500,
    DataLoss: 500,
    Internal: 500,
}


class PageNotFound(NotFound):
    """No route: dockerd's words, which clients know."""

    def __init__(self) -> None:
        super().__init__("page not found")


def status_of(error: SampanError) -> int:
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def text_of(error: SampanError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def error_response(error: SampanError) -> web.Response:
    status = status_of(error)
    if status == 304:
        return web.Response(status=304)
    return web.Response(
        status=status,
        body=codec.encode({"message": text_of(error)}),
        headers={"Content-Type": "application/json"},
    )


def expected(error: Exception, *, what: str) -> SampanError:
    """Any exception as one of ours; one that nobody foresaw is logged with its traceback."""
    if isinstance(error, SampanError):
        return error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return SystemFailed(error)
    log.error("request failed what=%s", what, exc_info=error)
    if isinstance(error, OSError):
        return SystemFailed(error)
    return Internal(f"{type(error).__name__}: {error}")
