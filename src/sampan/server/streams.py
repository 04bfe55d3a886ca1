"""Responses that go on for a while: progress, events, logs, tars.

An error before the first byte becomes a status; afterwards the status is spent, so progress
streams end with an error object and others by cutting the connection. When the client goes away
the work behind the stream is cancelled, and its cleanup awaited.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

from aiohttp import web

from sampan.server.call import JSON, Call
from sampan.server.errors import expected, text_of
from sampan.wire import progress as wire
from sampan.wire.progress import Progress

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class ClientGone(ConnectionError):
    """Nobody is there to read the answer; aiohttp then drops the connection quietly."""


async def while_connected(
    gone: "asyncio.Future[None]", work: Coroutine[Any, Any, Result]
) -> Result:
    """Await `work`; if `gone` is done first, cancel the work and raise ClientGone."""
    task = asyncio.ensure_future(work)
    try:
        waited: set[asyncio.Future[Any]] = {task, gone}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Also when we are cancelled ourselves: the work never outlives its call.
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        raise ClientGone
    return task.result()


async def progress(call: Call, items: AsyncIterator[Progress]) -> web.StreamResponse:
    """JSON objects as they come."""
    return await while_connected(call.gone, _progress(call, items))


async def _progress(call: Call, items: AsyncIterator[Progress]) -> web.StreamResponse:
    try:
        first = await anext(items, None)
        response = call.stream(JSON)
        await response.prepare(call.request)
        if first is None:
            return response
        await response.write(wire.encode(first))
        try:
            async for item in items:
                await response.write(wire.encode(item))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - told to the client, logged by expected()
            failure = expected(error, what=f"{call.request.method} {call.request.path}")
            await response.write(wire.encode(wire.failure(text_of(failure))))
        return response
    finally:
        await _close(items)


async def raw(
    call: Call,
    chunks: AsyncIterator[bytes],
    content_type: str,
    *,
    at_once: bool = False,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Bytes as they come. `at_once` sends status and headers before there is a first chunk."""
    response = call.stream(content_type, **(headers or {}))
    return await while_connected(call.gone, _raw(call, chunks, response, at_once=at_once))


async def _raw(
    call: Call, chunks: AsyncIterator[bytes], response: web.StreamResponse, *, at_once: bool
) -> web.StreamResponse:
    try:
        first = b"" if at_once else await anext(chunks, b"")
        await response.prepare(call.request)
        if first:
            await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
        return response
    except ConnectionError:
        raise
    except Exception as error:
        if not response.prepared:
            raise
        # The status is spent: an unfinished chunked body is what tells the client.
        log.exception("stream broken what=%s %s", call.request.method, call.request.path)
        raise ConnectionAbortedError("stream broken") from error
    finally:
        await _close(chunks)


async def _close(items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()
