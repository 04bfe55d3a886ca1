import asyncio

import pytest
from aiohttp import web
from registry_double import RegistryDouble

from sampan.oci.reference import parse_reference
from sampan.registry import client
from sampan.registry.client import PULL, Registries
from sampan.registry.failures import ErrorAnswer, Unreachable
from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.registry.settings import RegistrySettings
from sampan.registry.transport import Transport


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(client, "PAUSE_S", 0.0)


def run(handler, use, *, settings=None, credentials=ANONYMOUS):
    async def main():
        async with RegistryDouble(handler) as server:
            registries = Registries(settings or RegistrySettings())
            try:
                reference = parse_reference(f"{server.host}/a/b:tag")
                repository = await registries.repository(reference, credentials, actions=PULL)
                await use(repository, server)
            finally:
                await registries.close()

    asyncio.run(main())


async def ask(repository, path="manifests/tag", **more):
    async with repository.request("GET", path, **more) as response:
        return await response.read()


def test_plain_http_is_found_on_loopback():
    async def handler(request):
        return web.Response(text="ok")

    async def use(repository, server):
        assert repository.endpoint.base == server.base
        assert await ask(repository) == b"ok"

    run(handler, use)


def test_redirect_to_another_host_loses_the_authorization():
    seen = []

    async def storage(request):
        seen.append(request.headers.get("Authorization"))
        return web.Response(text="blob")

    async def main():
        async with RegistryDouble(storage) as other:

            async def handler(request):
                if request.path == "/v2/" and "Authorization" not in request.headers:
                    return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=r"})
                if request.path.endswith("near"):
                    return web.Response(status=307, headers={"Location": "/v2/a/b/here?x=%2F"})
                if request.path.endswith("here"):
                    assert request.headers["Authorization"].startswith("Basic ")
                    assert request.rel_url.raw_query_string == "x=%2F"
                    return web.Response(text="near blob")
                return web.Response(status=307, headers={"Location": f"{other.base}/x"})

            async with RegistryDouble(handler) as server:
                registries = Registries(RegistrySettings())
                reference = parse_reference(f"{server.host}/a/b")
                repository = await registries.repository(
                    reference, Credentials("me", "secret"), actions=PULL
                )
                try:
                    assert await ask(repository) == b"blob"
                    assert await ask(repository, "near") == b"near blob"
                finally:
                    await registries.close()

    asyncio.run(main())
    assert seen == [None]


def test_temporary_errors_are_tried_again():
    answers = [503, 429, 200]

    async def handler(request):
        status = 200 if request.path == "/v2/" else answers.pop(0)
        return web.Response(status=status, text="done", headers={"Retry-After": "0"})

    async def use(repository, server):
        assert await ask(repository) == b"done"

    run(handler, use)


def test_lasting_errors_arent_tried_again_and_keep_their_text():
    async def handler(request):
        if request.path == "/v2/":
            return web.Response()
        body = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
        return web.json_response(body, status=404)

    async def use(repository, server):
        with pytest.raises(ErrorAnswer, match=r"^manifest unknown: manifest unknown$"):
            await ask(repository)
        assert len(server.requests) == 2

    run(handler, use)


def test_a_huge_error_body_isnt_read_whole():
    async def handler(request):
        if request.path == "/v2/":
            return web.Response()
        return web.Response(status=500, body=b"x" * (8 << 20))

    async def use(repository, server):
        with pytest.raises(ErrorAnswer, match="received unexpected HTTP status: 500"):
            await ask(repository)

    run(handler, use)


def test_expired_token_is_renewed_once():
    async def handler(request):
        if request.path == "/token":
            handler.tokens += 1
            return web.json_response({"token": f"t{handler.tokens}"})
        if request.headers.get("Authorization") == "Bearer t2":
            return web.Response(text="in")
        realm = f'Bearer realm="http://{request.host}/token",service="s"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    handler.tokens = 0

    async def use(repository, server):
        assert await ask(repository) == b"in"
        assert handler.tokens == 2
        scopes = [path for _, path, _ in server.requests if path.startswith("/token")]
        assert all("scope=repository%3Aa%2Fb%3Apull" in path for path in scopes)

    run(handler, use)


def test_nobody_listening_is_named_as_go_names_it():
    async def main():
        registries = Registries(RegistrySettings())
        with pytest.raises(Unreachable) as caught:
            await registries.repository(parse_reference("127.0.0.1:1/x"), ANONYMOUS, actions=PULL)
        assert caught.value.message == (
            'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'
        )
        await registries.close()

    asyncio.run(main())


def test_what_began_encrypted_is_not_redirected_into_the_open():
    transport = Transport(RegistrySettings(insecure=("plain.example",)))
    for target in ("http://127.0.0.1/x", "http://plain.example/x", "https://other.example/x"):
        transport._check_downgrade("https://reg.example/v2/", target)
    transport._check_downgrade("http://127.0.0.1:5000/v2/", "http://storage.example/x")
    for target in ("http://storage.example/x", "ftp://127.0.0.1/x"):
        with pytest.raises(ErrorAnswer, match="isn't encrypted"):
            transport._check_downgrade("https://reg.example/v2/", target)
