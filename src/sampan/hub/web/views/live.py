"""A page whose log grows while it is open, without a script: the answer just isn't over yet.

The page's template has two marks (HTML comments; what users wrote is escaped, so none is theirs).
What is before the first is sent at once, then the log as it comes, then how it ended in the
second one's place, then the rest. A browser shows what it has. Rights are looked at anew before
each piece: who loses them, or signs out, sees no more of the log.
"""

import asyncio
import codecs
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from markupsafe import escape

LOG_MARK, END_MARK = "<!--log-->", "<!--end-->"
LOOK_EVERY_S = 0.5
LONGEST_S = 3600.0
PIECE_BYTES = 256 << 10

Read = Callable[[int, int], Awaitable[bytes]]


class Gone(Exception):
    """The one who looks may not look any longer."""


async def stream_log(
    request: web.Request,
    rendered: web.Response,
    read: Read,
    ended: Callable[[], Awaitable[str]],
) -> web.StreamResponse:
    """`ended` gives the fragment for the page's end (HTML), "" as long as there is none; it raises
    Gone for who may not look any longer."""
    before, _, rest = (rendered.text or "").partition(LOG_MARK)
    middle, _, after = rest.partition(END_MARK)
    response = web.StreamResponse(status=rendered.status, headers=rendered.headers)
    response.headers["X-Accel-Buffering"] = "no"  # nginx would wait for the whole page
    response.cookies.update(rendered.cookies)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write(before.encode())
    last = ""
    try:
        async for text, end in _pieces(read, ended):
            last = end
            if text:
                await response.write(str(escape(text)).encode())
    except Gone:
        last = ""
    await response.write((middle + str(last) + after).encode())
    await response.write_eof()
    return response


async def _pieces(
    read: Read, ended: Callable[[], Awaitable[str]]
) -> AsyncIterator[tuple[str, str]]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    offset, until = 0, asyncio.get_running_loop().time() + LONGEST_S
    end = ""
    while True:
        # asked before each read, for the rights; once the end is known nothing comes after it
        end = await ended() or end
        piece = await read(offset, PIECE_BYTES)
        offset += len(piece)
        yield decoder.decode(piece), end
        if piece:
            continue
        if end or asyncio.get_running_loop().time() > until:
            return
        await asyncio.sleep(LOOK_EVERY_S)
