"""What `sampan manifest` asks of registries, with the credentials of the client's configuration.

The engine has no part in it. A registry is spoken to over TLS, and without it where it is on
loopback or the user says `--insecure`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from sampan.cli.commands.manifests.lists import ImageManifest, document, image_manifest
from sampan.cli.context import Context
from sampan.cli.credentials import auth_of
from sampan.cli.references import auth_key
from sampan.errors import InvalidArgument, NotFound, Unsupported
from sampan.lib.workers import Workers
from sampan.oci.descriptor import Platform
from sampan.oci.digest import Digest, sha256_of
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.reference import Reference
from sampan.registry.client import PUSH, Registries, Repository
from sampan.registry.keychain import Credentials
from sampan.registry.pusher import BlobPusher
from sampan.registry.resolver import Blob, Resolver, fetch_manifest, fetch_small
from sampan.registry.settings import RegistrySettings


class Missing(NotFound):
    def __init__(self, reference: Reference) -> None:
        super().__init__(f"no such manifest: {reference}")


class IsAList(InvalidArgument):
    def __init__(self, reference: Reference) -> None:
        super().__init__(f"{reference} is a manifest list")


class OtherRegistry(InvalidArgument):
    def __init__(self, source: str, target: str) -> None:
        super().__init__(
            "cannot use source images from a different registry than the target image: "
            f"{source} != {target}"
        )


class NotMounted(Unsupported):
    def __init__(self, digest: str, source: str, target: str) -> None:
        super().__init__(
            f"the registry doesn't mount {digest} from {source} into {target}",
            hint="push the image to the list's repository",
        )


class Remote:
    """See `opened`."""

    def __init__(self, context: Context, registries: Registries) -> None:
        self._context = context
        self._registries = registries

    async def image(self, reference: Reference) -> ImageManifest:
        """Raises Missing, IsAList, and what the registry says."""
        repository, blob = await self._top(reference)
        if isinstance(_parsed(blob), Index):
            raise IsAList(reference)
        return await _described(repository, str(reference), blob)

    async def list(self, reference: Reference) -> tuple[bytes | None, Sequence[ImageManifest]]:
        """(the list, its images), or (None, the one image). Raises Missing."""
        repository, blob = await self._top(reference)
        parsed = _parsed(blob)
        if not isinstance(parsed, Index):
            return None, [await _described(repository, str(reference), blob)]
        images = []
        for entry in parsed.manifests:
            found = await fetch_manifest(repository, entry.digest, expected=entry)
            name = f"{reference.name}:{reference.tag}@{entry.digest}"
            image = await _described(repository, name, found)
            images.append(_with_platform(image, entry.platform))
        return document(parsed.manifests)[1], images

    async def push(
        self, target: Reference, images: Sequence[tuple[Reference, ImageManifest]]
    ) -> AsyncIterator[str]:
        """Says what was done; the digest of the list comes last."""
        for source, _ in images:
            if source.domain != target.domain:
                raise OtherRegistry(source.domain, target.domain)
        repository = await self._registries.repository(
            target, self._credentials(target), actions=PUSH
        )
        pusher = BlobPusher(repository, Workers())
        for source, image in images:
            if source.name != target.name:
                await _copy(pusher, source, target, image)
                digest = image.Descriptor.digest
                yield f"Pushed ref {target.name}@{digest} with digest: {digest}"
        media_type, data = document(image.Descriptor for _, image in images)
        await pusher.put_manifest(target.tag or "latest", data, media_type)
        yield str(sha256_of(data))

    async def _top(self, reference: Reference) -> tuple[Repository, Blob]:
        try:
            return await Resolver(self._registries).top(
                reference, credentials=self._credentials(reference)
            )
        except NotFound as error:
            raise Missing(reference) from error

    def _credentials(self, reference: Reference) -> Credentials:
        known = auth_of(self._context.config, auth_key(reference.name))
        return Credentials(
            username=known.get("username", ""),
            password=known.get("password", ""),
            identity_token=known.get("identitytoken", ""),
            registry_token=known.get("registrytoken", ""),
        )


@asynccontextmanager
async def opened(
    context: Context, references: Sequence[Reference], *, insecure: bool
) -> AsyncIterator[Remote]:
    """Connections to the registries of these references."""
    environment = context.environment

    def proxy(name: str) -> str:
        return environment.get(name, "") or environment.get(name.lower(), "")

    registries = Registries(
        RegistrySettings(
            insecure=tuple({one.domain for one in references}) if insecure else (),
            http_proxy=proxy("HTTP_PROXY"),
            https_proxy=proxy("HTTPS_PROXY"),
            no_proxy=proxy("NO_PROXY"),
        )
    )
    try:
        yield Remote(context, registries)
    finally:
        await registries.close()


def _with_platform(image: ImageManifest, platform: Platform | None) -> ImageManifest:
    if platform is None:
        return image
    described = msgspec.structs.replace(image.Descriptor, platform=platform)
    return msgspec.structs.replace(image, Descriptor=described)


async def _described(repository: Repository, name: str, blob: Blob) -> ImageManifest:
    parsed = _parsed(blob)
    if not isinstance(parsed, Manifest):
        raise InvalidArgument(f"{name} is a manifest list in a manifest list")
    platform = Platform()
    config = await fetch_small(repository, parsed.config)
    with suppress(msgspec.MsgspecError):  # an artifact's configuration names none
        platform = msgspec.json.decode(config, type=Platform)
    described = msgspec.structs.replace(blob.descriptor, platform=platform)
    return image_manifest(name, described, blob.data, parsed)


async def _copy(
    pusher: BlobPusher, source: Reference, target: Reference, image: ImageManifest
) -> None:
    """The image's blobs and then its manifest, within the registry."""
    fields = image.fields
    for part in (*fields["layers"], fields["config"]):
        digest = Digest(part["digest"])
        if not await pusher.has_blob(digest) and not await pusher.mount(digest, source.path):
            raise NotMounted(digest, source.name, target.name)
    described = image.Descriptor
    await pusher.put_manifest(described.digest, image.Raw, described.mediaType)


def _parsed(blob: Blob) -> Manifest | Index:
    return parse_manifest(blob.data, blob.descriptor.mediaType)
