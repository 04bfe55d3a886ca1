"""A build context that the client uploads: a tar or a Dockerfile from its standard input.

The request names it by a URL of a host that doesn't exist (`http://buildkit-session/<id>`); what is
behind it is one stream of the session. Docker CLIs before 23 post it instead, in a request of its
own beside the build's; `PostedUploads` brings the two together.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from sampan.errors import InvalidArgument, Unsupported
from sampan.lib.bridge import Readable, consumed
from sampan.lib.workers import Workers
from sampan.rpc.calls import Caller
from sampan.wire.buildkit.common import BytesMessage
from sampan.wire.buildkit.protobuf import decode
from sampan.wire.buildkit.session import UPLOAD, UPLOAD_PATH_HEADER, UPLOAD_URL

POSTED_URL = f"{UPLOAD_URL}posted/"  # begins URLs that mean an upload in a request of its own
MEETING_TIMEOUT_S = 30.0


class UploadMissing(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("the client sent no build context")


class PostedUploads:
    """Uploads on their way, by the id of the build that takes them."""

    def __init__(self) -> None:
        self._meetings: dict[str, _Meeting] = {}

    async def offer(self, identifier: str, body: AsyncIterator[bytes]) -> None:
        """Until the build has read all of it, has ended, or never came."""
        meeting = self._meetings.setdefault(identifier, _Meeting())
        meeting.arrive(body)
        try:
            async with asyncio.timeout(MEETING_TIMEOUT_S):
                await meeting.begun.wait()
            await meeting.ended.wait()
        except TimeoutError:
            self._meetings.pop(identifier, None)

    async def take(self, url: str, path: Path, workers: Workers) -> None:
        """Write the upload that `url` means to `path`. Raises UploadMissing."""
        identifier = url.removeprefix(POSTED_URL)
        meeting = self._meetings.setdefault(identifier, _Meeting())
        try:
            async with asyncio.timeout(MEETING_TIMEOUT_S):
                body = await meeting.body
            meeting.begun.set()
            await _write(body, path, workers)
        except TimeoutError:
            raise UploadMissing from None
        finally:
            self._meetings.pop(identifier, None)
            meeting.ended.set()


class _Meeting:
    def __init__(self) -> None:
        self.body: asyncio.Future[AsyncIterator[bytes]] = asyncio.get_running_loop().create_future()
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    def arrive(self, body: AsyncIterator[bytes]) -> None:
        if self.body.done():
            raise InvalidArgument("the build context of this build was sent before")
        self.body.set_result(body)


async def take_upload(caller: Caller, url: str, path: Path, workers: Workers) -> None:
    """Write the upload to `path`. Raises Unsupported, CallFailed, SessionLost."""
    if not caller.supports(UPLOAD):
        raise Unsupported("the client's session has no upload")
    await _write(_pieces(caller, url), path, workers)


async def _write(pieces: AsyncIterator[bytes], path: Path, workers: Workers) -> None:
    def write(feed: Readable) -> None:
        with path.open("xb") as out:
            while piece := feed.read(1 << 20):
                out.write(piece)

    await consumed(workers, pieces, write)


async def _pieces(caller: Caller, url: str) -> AsyncIterator[bytes]:
    async with caller.call(UPLOAD, [(UPLOAD_PATH_HEADER, urlsplit(url).path)]) as exchange:
        while (message := await exchange.receive()) is not None:
            yield decode(BytesMessage, message).data
        await exchange.finish()
