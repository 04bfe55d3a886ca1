import asyncio
import os

import pytest
from aiohttp import web
from registry_double import RegistryDouble

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import sha256_of
from sampan.oci.reference import parse_reference
from sampan.registry import client
from sampan.registry.client import PULL, Registries
from sampan.registry.failures import BlobCorrupt, ErrorAnswer, Unreachable
from sampan.registry.fetcher import stream_blob
from sampan.registry.keychain import ANONYMOUS
from sampan.registry.settings import RegistrySettings

DATA = os.urandom(300_000)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(client, "PAUSE_S", 0.0)


def fetch(handler, *, descriptor=None, start=0):
    """The bytes of one download, and the Range headers the server saw."""
    ranges = []

    async def wrapped(request):
        if request.path == "/v2/":
            return web.Response()
        ranges.append(request.headers.get("Range"))
        return await handler(request)

    async def main():
        async with RegistryDouble(wrapped) as server:
            registries = Registries(RegistrySettings(max_attempts=3))
            try:
                repository = await registries.repository(
                    parse_reference(f"{server.host}/a"), ANONYMOUS, actions=PULL
                )
                described = descriptor or Descriptor(
                    mediaType="", digest=sha256_of(DATA), size=len(DATA)
                )
                stream = stream_blob(repository, described, start=start)
                return b"".join([chunk async for chunk in stream])
            finally:
                await registries.close()

    return asyncio.run(main()), ranges


async def broken_off(request, data, total):
    response = web.StreamResponse(headers={"Content-Length": str(total)})
    await response.prepare(request)
    await response.write(data)
    request.transport.close()
    return response


def test_a_break_is_resumed_by_range():
    async def handler(request):
        asked = request.headers.get("Range")
        if asked is None:
            return await broken_off(request, DATA[:100_000], len(DATA))
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        assert 0 < start <= 100_000
        return web.Response(
            status=206,
            body=DATA[start:],
            headers={"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"},
        )

    found, ranges = fetch(handler)
    assert found == DATA
    assert len(ranges) == 2


def test_a_server_without_ranges_is_read_from_the_start_again():
    seen = []

    async def handler(request):
        seen.append(1)
        if len(seen) == 1:
            return await broken_off(request, DATA[:100_000], len(DATA))
        return web.Response(body=DATA)

    assert fetch(handler)[0] == DATA


def test_endless_breaks_end_in_an_error():
    async def handler(request):
        request.transport.close()
        return web.Response()

    with pytest.raises(Unreachable):
        fetch(handler)


@pytest.mark.parametrize("body", [DATA[:-1], DATA + b"x"])
def test_a_wrong_length_is_corruption(body):
    async def handler(request):
        return web.Response(body=body)

    with pytest.raises(BlobCorrupt):
        fetch(handler)


def test_foreign_layers_are_taken_from_their_own_address():
    async def elsewhere(request):
        return web.Response(body=DATA)

    async def missing(request):
        return web.Response(status=200 if request.path == "/v2/" else 404)

    async def main():
        async with RegistryDouble(elsewhere) as other, RegistryDouble(missing) as server:
            registries = Registries(RegistrySettings())
            repository = await registries.repository(
                parse_reference(f"{server.host}/a"), ANONYMOUS, actions=PULL
            )
            digest = sha256_of(DATA)
            foreign = Descriptor(
                mediaType="", digest=digest, size=len(DATA), urls=(f"{other.base}/layer",)
            )
            plain = Descriptor(mediaType="", digest=digest, size=len(DATA))
            found = b"".join([chunk async for chunk in stream_blob(repository, foreign)])
            assert found == DATA
            with pytest.raises(ErrorAnswer):
                [chunk async for chunk in stream_blob(repository, plain)]
            await registries.close()

    asyncio.run(main())


def test_a_download_begins_where_an_earlier_one_ended():
    async def handler(request):
        assert request.headers["Range"] == "bytes=100-"
        headers = {"Content-Range": f"bytes 100-{len(DATA) - 1}/{len(DATA)}"}
        return web.Response(status=206, body=DATA[100:], headers=headers)

    assert fetch(handler, start=100) == (DATA[100:], ["bytes=100-"])
    assert fetch(handler, start=len(DATA)) == (b"", [])


def test_a_registry_that_refuses_ranges_is_read_from_the_beginning():
    async def handler(request):
        if "Range" in request.headers:
            return web.Response(status=416)
        return web.Response(body=DATA)

    assert fetch(handler, start=100) == (DATA[100:], ["bytes=100-", None])


def test_a_range_of_something_else_is_refused():
    async def handler(_request):
        headers = {"Content-Range": f"bytes 100-{len(DATA)}/{len(DATA) + 1}"}
        return web.Response(status=206, body=DATA[100:], headers=headers)

    with pytest.raises(BlobCorrupt):
        fetch(handler, start=100)
