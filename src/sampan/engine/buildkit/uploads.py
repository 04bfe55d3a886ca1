"""A build context that the client uploads: a tar or a Dockerfile from its standard input.

The request names it by a URL of a host that doesn't exist (`http://buildkit-session/<id>`); what is
behind it is one stream of the session.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from sampan.errors import Unsupported
from sampan.lib.bridge import Readable, consumed
from sampan.lib.workers import Workers
from sampan.rpc.calls import Caller
from sampan.wire.buildkit.common import BytesMessage
from sampan.wire.buildkit.protobuf import decode
from sampan.wire.buildkit.session import UPLOAD, UPLOAD_PATH_HEADER


async def take_upload(caller: Caller, url: str, path: Path, workers: Workers) -> None:
    """Write the upload to `path`. Raises Unsupported, CallFailed, SessionLost."""
    if not caller.supports(UPLOAD):
        raise Unsupported("the client's session has no upload")

    def write(feed: Readable) -> None:
        with path.open("xb") as out:
            while piece := feed.read(1 << 20):
                out.write(piece)

    await consumed(workers, _pieces(caller, url), write)


async def _pieces(caller: Caller, url: str) -> AsyncIterator[bytes]:
    async with caller.call(UPLOAD, [(UPLOAD_PATH_HEADER, urlsplit(url).path)]) as exchange:
        while (message := await exchange.receive()) is not None:
            yield decode(BytesMessage, message).data
        await exchange.finish()
