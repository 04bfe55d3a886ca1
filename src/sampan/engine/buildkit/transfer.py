"""Fetching files from a build's client: FileSync/DiffCopy of its session.

What to send is said in the call's headers: the directory's name, patterns to leave out, and paths
to which the transfer is narrowed (links in them are followed by the client). See rpc/filesync.py
for what goes over the call. Owners are not taken: files of a context belong to root.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_plus

from sampan.builder.arrivals import Arrivals
from sampan.builder.context import ContextTree
from sampan.errors import Unsupported
from sampan.rpc.calls import Caller, Metadata
from sampan.rpc.filesync import OnProgress, Receiver
from sampan.wire.buildkit.session import (
    DIRECTORY_HEADER,
    EXCLUDE_HEADER,
    FILES_IN,
    FOLLOW_HEADER,
)


async def fetch(
    caller: Caller,
    directory: str,
    *,
    scratch: Path,
    on_progress: OnProgress,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
) -> ContextTree:
    """The files of the client's directory of that name. Raises CallFailed, SenderFailed."""
    if not caller.supports(FILES_IN):
        raise Unsupported("the client's session doesn't offer its files")
    headers = [
        (DIRECTORY_HEADER, directory),
        *_headers(EXCLUDE_HEADER, without),
        *_headers(FOLLOW_HEADER, only),
    ]
    arrivals = Arrivals(scratch)
    try:
        async with caller.call(FILES_IN, headers) as exchange:
            await Receiver(exchange, arrivals, on_progress).run()
            await exchange.finish()
            while await exchange.receive() is not None:
                pass
        return arrivals.tree()
    except BaseException:
        arrivals.close()
        raise


def _headers(name: str, values: Sequence[str]) -> Metadata:
    """Values that aren't ASCII make all of them escaped."""
    if all(value.isascii() for value in values):
        return [(name, value) for value in values]
    return [(name, quote_plus(value)) for value in values] + [(f"{name}-encoded", "1")]
