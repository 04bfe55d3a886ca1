"""Endpoints of blobs and manifests: read, keep, delete."""

import time
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.hub.storage.driver import BlobMissing
from sampan.hub.v2 import documents, manifests, repositories
from sampan.hub.v2.blobs import RENEW_SHARE
from sampan.hub.v2.calls import Call
from sampan.hub.v2.documents import PAYLOAD_MOST, Facts, PlatformFacts
from sampan.hub.v2.errors import API_VERSION, DigestInvalid, ManifestTooLarge
from sampan.hub.v2.manifests import Pushed, Stored
from sampan.hub.v2.names import algorithm_of, check_digest, check_tag, digest_of, is_digest
from sampan.hub.v2.serving import is_known, not_modified
from sampan.oci import mediatypes

CONFIG_MOST = 4 << 20
TAGS_MOST = 32  # in one request by digest


async def read_blob(call: Call) -> web.StreamResponse:
    await call.require("pull")
    digest = check_digest(call.target.item)
    if call.request.method == "HEAD":  # what pushers ask before they leave a blob out
        size = await call.parts.blobs.get_size_for_push(call.target.repository, digest)
    else:
        size = await call.parts.blobs.get_size(call.target.repository, digest)
    return await call.parts.sender.send(call.request, digest, size)


async def delete_blob(call: Call) -> web.StreamResponse:
    await call.require("delete")
    digest = check_digest(call.target.item)
    await call.parts.blobs.unlink(call.target.repository, digest)
    return web.Response(status=202, headers={**API_VERSION, "Docker-Content-Digest": digest})


def _reference(call: Call) -> str:
    item = call.target.item
    return check_digest(item) if is_digest(item) else check_tag(item)


async def read_manifest(call: Call) -> web.StreamResponse:
    await call.require("pull")
    reference = _reference(call)
    found = await call.parts.database.read(
        lambda connection: manifests.get(connection, call.target.repository, reference)
    )
    if call.request.method == "HEAD":
        await _renew(call, found)
    else:
        call.parts.pulls.count(found.repository_id, None if is_digest(reference) else reference)
    if is_known(call.request, found.digest):
        return not_modified(found.digest)
    headers = {
        **API_VERSION,
        "Content-Type": found.media_type,
        "Docker-Content-Digest": found.digest,
        "ETag": f'"{found.digest}"',
    }
    return web.Response(body=found.payload, headers=headers)


async def _renew(call: Call, found: Stored) -> None:
    """Whoever asks whether a manifest is there may rely on it for a while."""
    lease_ns = call.parts.lease_s * 1_000_000_000
    if found.touched_ns < time.time_ns() - lease_ns // RENEW_SHARE:
        await call.parts.database.write(
            lambda connection: manifests.touch(connection, found.repository_id, found.digest)
        )


async def put_manifest(call: Call) -> web.StreamResponse:
    identity = await call.require("push")
    reference = _reference(call)
    payload = await _body(call.request)
    digest = digest_of(payload, algorithm_of(reference) if is_digest(reference) else "sha256")
    if is_digest(reference) and digest != reference:
        raise DigestInvalid(reference, f"content has the digest {digest}")
    tags = _tags(call, reference)
    facts = documents.read(payload, call.request.headers.get("Content-Type", ""))
    platform = await _platform(call, facts)
    pushed = Pushed(digest, payload, facts, platform, identity.name)

    def keep(connection: Connection) -> None:
        repository_id = repositories.ensure(
            connection, call.target.repository, is_private=call.parts.private_by_default
        )
        if manifests.put(connection, repository_id, pushed, tags):
            call.parts.quotas.checked(call.target.repository)(connection)

    await call.parts.database.write(keep)
    response = web.Response(status=201, headers=API_VERSION)
    response.headers["Location"] = call.path("manifests", digest)
    response.headers["Docker-Content-Digest"] = digest
    if facts.subject:
        response.headers["OCI-Subject"] = facts.subject
    if is_digest(reference):
        for tag in tags:
            response.headers.add("OCI-Tag", tag)
    return response


def _tags(call: Call, reference: str) -> list[str]:
    if not is_digest(reference):
        return [reference]
    given = [check_tag(tag) for tag in call.request.query.getall("tag", [])]
    return list(dict.fromkeys(given))[:TAGS_MOST]


async def _body(request: web.Request) -> bytes:
    """Raises ManifestTooLarge before more is read."""
    if (request.content_length or 0) > PAYLOAD_MOST:
        raise ManifestTooLarge(PAYLOAD_MOST)
    payload = bytearray()
    while data := await request.content.readany():
        payload += data
        if len(payload) > PAYLOAD_MOST:
            raise ManifestTooLarge(PAYLOAD_MOST)
    return bytes(payload)


async def _platform(call: Call, facts: Facts) -> PlatformFacts:
    """From the config, if it is an image's and in this repository; `put` refuses otherwise."""
    digest = facts.config
    if digest is None or facts.config_media_type not in mediatypes.CONFIGS:
        return PlatformFacts()
    link = await call.parts.database.read(
        lambda connection: repositories.find_link(connection, call.target.repository, digest)
    )
    if link is None or not 0 < link.size <= CONFIG_MOST:
        return PlatformFacts()
    try:
        config = await call.parts.workers.run(_read_all, call, digest, link.size)
    except BlobMissing:
        return PlatformFacts()
    return documents.read_platform(config)


def _read_all(call: Call, digest: str, size: int) -> bytes:
    with call.parts.storage.open(digest, 0, size) as stream:
        return stream.read(size)


async def delete_manifest(call: Call) -> web.StreamResponse:
    await call.require("delete")
    reference = _reference(call)
    await call.parts.database.write(
        lambda connection: manifests.remove(connection, call.target.repository, reference)
    )
    return web.Response(status=202, headers=API_VERSION)


async def list_referrers(call: Call) -> web.StreamResponse:
    await call.require("pull")
    digest = check_digest(call.target.item)
    wanted = call.query("artifactType")
    found, has_more = await call.parts.database.read(
        lambda connection: manifests.list_referrers(
            connection, call.target.repository, digest, wanted, after=call.query("last")
        )
    )
    entries = []
    for each in found:
        entry: dict[str, object] = {
            "mediaType": each.media_type,
            "digest": each.digest,
            "size": len(each.payload),
        }
        if each.artifact_type:
            entry["artifactType"] = each.artifact_type
        if annotations := documents.annotations_of(each.payload):
            entry["annotations"] = annotations
        entries.append(entry)
    index = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": entries}
    headers = {**API_VERSION, "Content-Type": mediatypes.OCI_INDEX}
    if wanted:
        headers["OCI-Filters-Applied"] = "artifactType"
    if has_more:
        query = {"last": found[-1].digest} | ({"artifactType": wanted} if wanted else {})
        headers["Link"] = f'<{call.path("referrers", digest)}?{urlencode(query)}>; rel="next"'
    return web.Response(body=msgspec.json.encode(index), headers=headers)
