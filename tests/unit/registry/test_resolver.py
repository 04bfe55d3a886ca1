import asyncio
import json

import pytest
from aiohttp import web
from registry_double import RegistryDouble

from sampan.errors import InvalidArgument, NotFound, SampanError, Unsupported
from sampan.oci import mediatypes
from sampan.oci.digest import sha256_of
from sampan.oci.platform import host_platform
from sampan.oci.reference import parse_reference
from sampan.registry import resolver as module
from sampan.registry.client import Registries
from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.registry.resolver import ManifestCorrupt, Resolver, fetch_small
from sampan.registry.settings import RegistrySettings

CONFIG = b'{"architecture":"amd64","os":"linux"}'
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": mediatypes.DOCKER_MANIFEST,
        "config": {
            "mediaType": mediatypes.DOCKER_CONFIG,
            "digest": sha256_of(CONFIG),
            "size": len(CONFIG),
        },
        "layers": [],
    },
    indent=3,
).encode()
DIGEST = sha256_of(MANIFEST)
ZERO = "sha256:" + "0" * 64


def serve(bodies, *, headers=None, content_type=mediatypes.DOCKER_MANIFEST):
    """Answers with `bodies` by the last part of the path."""

    async def handler(request):
        if request.path == "/v2/":
            return web.Response()
        body = bodies.get(request.path.rpartition("/")[2])
        if body is None:
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return web.json_response(error, status=404)
        return web.Response(body=body, content_type=content_type, headers=headers)

    return handler


def resolve(handler, name="a/b:tag", *, settings=None, use=None):
    async def main():
        async with RegistryDouble(handler) as server:
            registries = Registries(settings(server) if settings else RegistrySettings())
            resolver = Resolver(registries)
            try:
                full = name if settings else f"{server.host}/{name}"
                found = await resolver.resolve(parse_reference(full), credentials=ANONYMOUS)
                return await use(found) if use else found
            finally:
                await registries.close()

    return asyncio.run(main())


def test_a_tag_is_resolved_to_exact_bytes():
    found = resolve(serve({"tag": MANIFEST}))
    assert found.top.data == MANIFEST
    assert found.top.descriptor.digest == DIGEST
    assert found.manifest.config.digest == sha256_of(CONFIG)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_a_careless_content_type_is_mended(content_type):
    found = resolve(serve({"tag": MANIFEST}, content_type=content_type))
    assert found.top.descriptor.mediaType == mediatypes.DOCKER_MANIFEST


@pytest.mark.parametrize(
    ("name", "bodies", "headers"),
    [
        ("a/b:tag", {"tag": MANIFEST}, {"Docker-Content-Digest": ZERO}),
        (f"a/b@{ZERO}", {ZERO: MANIFEST}, None),
    ],
)
def test_bytes_that_dont_match_the_digest_are_refused(name, bodies, headers):
    with pytest.raises(ManifestCorrupt):
        resolve(serve(bodies, headers=headers), name)


def test_schema_1_is_refused():
    data = b'{"schemaVersion":1,"name":"x","tag":"y"}'
    with pytest.raises(Unsupported, match="schema 1"):
        resolve(serve({"tag": data}, content_type=mediatypes.DOCKER_SCHEMA1_SIGNED))


def test_what_isnt_an_image_is_refused():
    data = MANIFEST.replace(b"container.image.v1", b"plugin.v1")
    with pytest.raises(Unsupported, match="isn't a container image"):
        resolve(serve({"tag": data}))


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"schemaVersion":2}'])
def test_nonsense_is_refused(data):
    with pytest.raises(SampanError):
        resolve(serve({"tag": data}))


def test_an_endless_manifest_isnt_read_whole(monkeypatch):
    monkeypatch.setattr(module, "MAX_MANIFEST_BYTES", 1000)
    with pytest.raises(InvalidArgument, match="larger than"):
        resolve(serve({"tag": b" " * 100_000 + MANIFEST}))


def test_a_small_blob_is_checked():
    async def use(found):
        return await fetch_small(found.repository, found.manifest.config)

    config = sha256_of(CONFIG)
    assert resolve(serve({"tag": MANIFEST, config: CONFIG}), use=use) == CONFIG
    with pytest.raises(SampanError, match="verification failed"):
        resolve(serve({"tag": MANIFEST, config: CONFIG + b" "}), use=use)


def test_mirrors_are_asked_first_and_passed_over_when_they_fail():
    def mirrored(server):
        return RegistrySettings(mirrors=("http://127.0.0.1:1", server.base))

    found = resolve(serve({"latest": MANIFEST}), "busybox:latest", settings=mirrored)
    assert found.repository.endpoint.mirror
    assert found.repository.name == "library/busybox"


def index_of(manifest):
    entry = {
        "mediaType": mediatypes.DOCKER_MANIFEST,
        "digest": sha256_of(manifest),
        "size": len(manifest),
        "platform": {"os": host_platform().os, "architecture": host_platform().architecture},
    }
    return json.dumps(
        {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": [entry]}
    ).encode()


async def wants_a_password(_request):
    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="m"'})


async def is_lost(_request):
    raise web.HTTPFound("/elsewhere")


@pytest.mark.parametrize(
    "mirror",
    [
        wants_a_password,
        is_lost,
        serve({}),
        serve({"tag": index_of(MANIFEST)}, content_type=mediatypes.OCI_INDEX),
        serve(
            {"tag": index_of(MANIFEST), DIGEST: MANIFEST[:-1]}, content_type=mediatypes.OCI_INDEX
        ),
    ],
    ids=["password", "lost", "empty", "child missing", "child damaged"],
)
def test_a_mirror_that_fails_in_any_way_is_passed_over(mirror):
    async def main():
        real = serve({"tag": MANIFEST, "list": b'{"tags":["tag"]}'})
        async with RegistryDouble(mirror) as first, RegistryDouble(real) as second:
            registries = Registries(RegistrySettings(mirrors_of={second.host: (first.base,)}))
            resolver = Resolver(registries)
            try:
                reference = parse_reference(f"{second.host}/a/b:tag")
                found = await resolver.resolve(reference, credentials=Credentials("me", "secret"))
                assert not found.repository.endpoint.mirror
                assert found.top.data == MANIFEST
                assert await resolver.tags(reference, credentials=ANONYMOUS) == ["tag"]
                assert first.requests
                assert all(given is None for *_, given in first.requests)
            finally:
                await registries.close()

    asyncio.run(main())


def test_missing_manifests_are_not_found():
    with pytest.raises(NotFound, match=r"^manifest for .*/a/b:tag not found: manifest unknown"):
        resolve(serve({}))
