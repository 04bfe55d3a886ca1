"""From a reference to the manifest of one platform, every byte checked against its digest.

A tag is resolved once: what is fetched afterwards is fetched by digest, so a tag that moves during
a pull can't mix two images. Of an index the entry for the platform wanted is taken. A mirror that
fails, whatever the failure, is passed over.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import msgspec

from sampan.errors import DataLoss, InvalidArgument, NotFound, Unsupported
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor, Platform
from sampan.oci.digest import Digest, InvalidDigest, parse_digest, sha256_of
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.platform import host_platform, select
from sampan.oci.reference import DEFAULT_DOMAIN, Reference
from sampan.registry.client import PULL, Registries, Repository, is_missing
from sampan.registry.failures import ErrorAnswer, NoBasicCredentials, Unreachable
from sampan.registry.keychain import Credentials
from sampan.registry.transport import read_capped

MAX_MANIFEST_BYTES = 4 << 20  # registries commonly refuse larger ones
MIRROR_FAILURES = (ErrorAnswer, Unreachable, NoBasicCredentials, DataLoss)  # the next is asked
_ACCEPT = ", ".join(mediatypes.ACCEPTED)


class ManifestMissing(NotFound):
    def __init__(self, *, reference: Reference, error: ErrorAnswer) -> None:
        super().__init__(f"manifest for {reference.familiar} not found: {error.message}")


class RepositoryMissing(NotFound):
    def __init__(self, *, reference: Reference, error: ErrorAnswer) -> None:
        super().__init__(f"repository {reference.familiar_name} not found: {error.message}")


class PullDenied(NotFound):
    """A private repository looks as a missing one does; hence the kind."""

    def __init__(self, *, reference: Reference, error: ErrorAnswer) -> None:
        super().__init__(
            f"pull access denied for {reference.familiar_name}, repository does not exist or may "
            f"require 'docker login': {error.message}"
        )


class ManifestCorrupt(DataLoss):
    def __init__(self, *, digest: str) -> None:
        super().__init__(f"manifest verification failed for digest {digest}")


class NotAnImage(Unsupported):
    def __init__(self, *, media_type: str) -> None:
        super().__init__(f"unsupported media type {media_type}: it isn't a container image")


@dataclass(frozen=True, slots=True)
class Blob:
    """A manifest's exact bytes with their description."""

    descriptor: Descriptor
    data: bytes


@dataclass(frozen=True, slots=True)
class Resolved:
    """`top` is what the reference names (maybe an index), `manifest` one image of it."""

    reference: Reference
    repository: Repository
    top: Blob
    manifest_blob: Blob
    manifest: Manifest


class _Tags(msgspec.Struct, frozen=True):
    tags: list[str] | None = None


class Resolver:
    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def resolve(
        self,
        reference: Reference,
        *,
        credentials: Credentials,
        platform: Platform | None = None,
        without: Collection[str] = (),
    ) -> Resolved:
        """`without`: addresses of mirrors that have failed.

        Raises ManifestMissing and its kin, Unreachable, ErrorAnswer, NoMatch.
        """
        failed = set(without)
        while True:
            repository, top = await self.top(reference, credentials=credentials, without=failed)
            try:
                return await _select(reference, repository, top, platform)
            except MIRROR_FAILURES:
                if not repository.endpoint.mirror:
                    raise
                failed.add(repository.endpoint.base)

    async def top(
        self, reference: Reference, *, credentials: Credentials, without: Collection[str] = ()
    ) -> tuple[Repository, Blob]:
        """What the reference itself names, and where it was found."""
        target = reference.digest or reference.tag or "latest"
        failure: Exception | None = None
        candidates = self._registries.repositories(
            reference, credentials, actions=PULL, without=without
        )
        async for repository in candidates:
            try:
                return repository, await fetch_manifest(repository, target)
            except MIRROR_FAILURES as error:
                failure = error
                if not repository.endpoint.mirror:
                    break
        if isinstance(failure, ErrorAnswer):
            raise translate(failure, reference) from failure
        assert failure is not None
        raise failure

    async def index(
        self, reference: Reference, *, credentials: Credentials
    ) -> tuple[Descriptor, list[Platform]]:
        """What GET /distribution shows: the descriptor and the platforms offered."""
        repository, top = await self.top(reference, credentials=credentials)
        document = _parse(top)
        if isinstance(document, Index):
            platforms = [entry.platform for entry in document.manifests if entry.platform]
            return top.descriptor, platforms
        config = await fetch_small(repository, document.config)
        try:
            return top.descriptor, [msgspec.json.decode(config, type=Platform)]
        except msgspec.MsgspecError:
            return top.descriptor, []

    async def tags(self, reference: Reference, *, credentials: Credentials) -> list[str]:
        """All tags of a repository, page by page."""
        async for repository in self._registries.repositories(reference, credentials, actions=PULL):
            try:
                return sorted(await _tags(repository))  # older registries give them in any order
            except MIRROR_FAILURES as error:
                if repository.endpoint.mirror:
                    continue
                if isinstance(error, ErrorAnswer):
                    raise translate(error, reference) from error
                raise
        raise AssertionError("a domain without endpoints")


async def _select(
    reference: Reference, repository: Repository, top: Blob, platform: Platform | None
) -> Resolved:
    document = _parse(top)
    blob = top
    while isinstance(document, Index):  # an index of indexes is legal; digests can't loop
        entry = select(document, platform or host_platform())
        blob = await fetch_manifest(repository, entry.digest, expected=entry)
        document = _parse(blob)
    if document.config.mediaType not in mediatypes.CONFIGS:
        raise NotAnImage(media_type=document.config.mediaType)
    return Resolved(reference, repository, top, blob, document)


async def _tags(repository: Repository) -> list[str]:
    found: list[str] = []
    path: str | None = "tags/list"
    while path is not None:
        async with repository.request("GET", path) as response:
            page = msgspec.json.decode(await read_capped(response, MAX_MANIFEST_BYTES), type=_Tags)
            next_page = response.links.get("next")
        found += page.tags or []
        path = str(next_page["url"]) if next_page else None
    return found


async def fetch_manifest(
    repository: Repository, target: str, *, expected: Descriptor | None = None
) -> Blob:
    """By tag or digest. Raises ErrorAnswer, ManifestCorrupt."""
    async with repository.request(
        "GET", f"manifests/{target}", headers={"Accept": _ACCEPT}
    ) as response:
        data = await read_capped(response, MAX_MANIFEST_BYTES)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        promised = response.headers.get("Docker-Content-Digest", "")
    digest = sha256_of(data)
    wanted = target if ":" in target else _valid(promised) or digest
    if digest != wanted or (expected is not None and expected.size != len(data)):
        raise ManifestCorrupt(digest=wanted)
    if media_type not in mediatypes.INDEXES | mediatypes.MANIFESTS | mediatypes.SCHEMA1:
        media_type = _declared(data) or mediatypes.DOCKER_MANIFEST
    descriptor = Descriptor(mediaType=media_type, digest=digest, size=len(data))
    if expected is not None and expected.platform is not None:
        descriptor = Descriptor(
            mediaType=media_type, digest=digest, size=len(data), platform=expected.platform
        )
    return Blob(descriptor, data)


async def fetch_small(
    repository: Repository, descriptor: Descriptor, *, limit: int = MAX_MANIFEST_BYTES
) -> bytes:
    """A blob that fits in memory (a config), checked. Raises ErrorAnswer, DataLoss."""
    if descriptor.size > limit:
        raise InvalidArgument(f"blob {descriptor.digest} is too large: {descriptor.size} bytes")
    async with repository.request("GET", f"blobs/{descriptor.digest}") as response:
        data = await read_capped(response, limit)
    if sha256_of(data) != descriptor.digest:
        raise DataLoss(f"image config verification failed for digest {descriptor.digest}")
    return data


def translate(error: ErrorAnswer, reference: Reference) -> Exception:
    """Say what the answer means for the image asked for, in Docker's words."""
    if reference.domain == DEFAULT_DOMAIN and error.status == 401:
        return PullDenied(reference=reference, error=error)
    if error.status == 403 or error.has("DENIED"):
        return PullDenied(reference=reference, error=error)
    if error.has("NAME_UNKNOWN"):
        return RepositoryMissing(reference=reference, error=error)
    if is_missing(error):
        named = reference if reference.digest is None else replace(reference, tag=None)
        return ManifestMissing(reference=named, error=error)
    return error


def _valid(digest: str) -> Digest | None:
    try:
        return parse_digest(digest)
    except InvalidDigest:
        return None


def _declared(data: bytes) -> str | None:
    class Typed(msgspec.Struct):
        mediaType: str = ""

    try:
        return msgspec.json.decode(data, type=Typed).mediaType or None
    except msgspec.MsgspecError:
        return None


def _parse(blob: Blob) -> Manifest | Index:
    return parse_manifest(blob.data, blob.descriptor.mediaType)
