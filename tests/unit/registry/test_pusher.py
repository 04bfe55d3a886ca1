import asyncio
import io

import pytest
from aiohttp import web
from registry_double import RegistryDouble

from sampan.lib.workers import Workers
from sampan.oci.digest import sha256_of
from sampan.oci.reference import parse_reference
from sampan.registry import client
from sampan.registry.client import PUSH, Registries
from sampan.registry.failures import ErrorAnswer
from sampan.registry.keychain import Credentials
from sampan.registry.pusher import BlobPusher, NoUploadLocation
from sampan.registry.settings import RegistrySettings

DATA = b"layer" * 100_000
DIGEST = sha256_of(DATA)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(client, "PAUSE_S", 0.0)


def with_pusher(handler, use):
    async def main():
        async def guarded(request):
            if request.path == "/v2/":
                return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=r"})
            return await handler(request)

        async with RegistryDouble(guarded) as server:
            registries = Registries(RegistrySettings(max_attempts=3))
            try:
                repository = await registries.repository(
                    parse_reference(f"{server.host}/a/b"), Credentials("me", "x"), actions=PUSH
                )
                await use(BlobPusher(repository, Workers()), server)
            finally:
                await registries.close()

    asyncio.run(main())


async def upload(pusher, progress=lambda _: None):
    await pusher.upload(DIGEST, len(DATA), lambda: io.BytesIO(DATA), progress)


def test_a_blob_is_opened_sent_and_closed():
    got = {}

    async def handler(request):
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/v2/a/b/blobs/uploads/1?s=%3D"})
        if request.method == "PATCH":
            got["body"] = await request.read()
            got["length"] = request.headers["Content-Length"]
            return web.Response(status=202, headers={"Location": "/v2/a/b/blobs/uploads/1?s=2"})
        got["put"] = request.path_qs
        return web.Response(status=201)

    async def use(pusher, server):
        sent = []
        await upload(pusher, sent.append)
        assert got["body"] == DATA
        assert got["length"] == str(len(DATA))
        assert got["put"] == f"/v2/a/b/blobs/uploads/1?s=2&digest={DIGEST.replace(':', '%3A')}"
        assert sent[-1] == len(DATA)
        assert [method for method, *_ in server.requests[1:]] == ["POST", "PATCH", "PUT"]

    with_pusher(handler, use)


def test_an_upload_elsewhere_doesnt_get_the_authorization():
    seen = []

    async def elsewhere(request):
        seen.append(request.headers.get("Authorization"))
        await request.read()
        return web.Response(status=201 if request.method == "PUT" else 202,
                            headers={"Location": str(request.url)})  # fmt: skip

    async def main():
        async with RegistryDouble(elsewhere) as other:

            async def handler(request):
                assert request.headers["Authorization"].startswith("Basic ")
                return web.Response(status=202, headers={"Location": f"{other.base}/up?x=1"})

            await asyncio.to_thread(with_pusher, handler, lambda pusher, _: upload(pusher))

    asyncio.run(main())
    assert seen == [None, None]


def test_a_session_that_breaks_off_is_cancelled_and_begun_anew():
    methods = []

    async def handler(request):
        methods.append(request.method)
        if request.method == "PATCH" and methods.count("PATCH") == 1:
            await request.content.read(1000)
            request.transport.close()
        await request.read()
        status = 201 if request.method == "PUT" else 202
        return web.Response(status=status, headers={"Location": "/v2/a/b/blobs/uploads/1"})

    with_pusher(handler, lambda pusher, _: upload(pusher))
    assert methods == ["POST", "PATCH", "DELETE", "POST", "PATCH", "PUT"]


def test_a_refusal_isnt_repeated():
    async def handler(request):
        await request.read()
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/v2/a/b/blobs/uploads/1"})
        error = {"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}
        return web.json_response(error, status=400)

    async def use(pusher, server):
        with pytest.raises(ErrorAnswer, match="digest invalid: no"):
            await upload(pusher)
        assert [m for m, *_ in server.requests[1:]] == ["POST", "PATCH", "DELETE"]

    with_pusher(handler, use)


@pytest.mark.parametrize(("status", "mounted"), [(201, True), (202, False), (401, False)])
def test_mount(status, mounted):
    async def handler(request):
        return web.Response(status=status, headers={"Location": "/v2/a/b/blobs/uploads/1"})

    async def use(pusher, server):
        assert await pusher.mount(DIGEST, "other/one") is mounted
        assert "from=other%2Fone" in server.requests[1][1]

    with_pusher(handler, use)


def test_a_registry_without_location_is_named():
    async def handler(request):
        return web.Response(status=202)

    async def use(pusher, _):
        with pytest.raises(NoUploadLocation):
            await upload(pusher)

    with_pusher(handler, use)
