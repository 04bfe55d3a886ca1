"""Base images of builds: from the store, or pulled with the credentials of the build's client."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from sampan.builder import progress
from sampan.builder.progress import Emit
from sampan.errors import NotFound, Unavailable
from sampan.lib.workers import Workers
from sampan.oci.platform import Platform, normalise
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.keychain import Credentials, for_domain
from sampan.store.images import Image, ImageStore


class BasePuller(Protocol):
    """Pulls one image into the store, telling its progress objects."""

    def pull(
        self, name: str, *, platform: Platform | None, credentials: Credentials
    ) -> AsyncIterator[dict[str, Any]]: ...


class PullFailed(Unavailable):
    """The registry's own words, from an object of its progress."""


class CredentialSource(Protocol):
    """What the build's client knows about registries."""

    async def for_domain(self, domain: str) -> Credentials: ...


class GivenCredentials:
    """All of them came with the request."""

    def __init__(self, keychain: Mapping[str, Credentials]) -> None:
        self._keychain = keychain

    async def for_domain(self, domain: str) -> Credentials:
        return for_domain(self._keychain, domain)


class StoredBases:
    """See ops.source.BaseImages; one per build, because credentials are the client's."""

    def __init__(
        self,
        *,
        images: ImageStore,
        puller: BasePuller,
        workers: Workers,
        credentials: CredentialSource,
    ) -> None:
        self._images = images
        self._puller = puller
        self._workers = workers
        self._credentials = credentials

    async def resolve(
        self, reference: str, *, platform: Platform | None, pull: bool, emit: Emit
    ) -> Image:
        if not pull:
            found = await self._find(reference)
            if found is not None and _fits(found, platform):
                return found
        wanted = parse_reference(reference)
        await self._pull(wanted.with_default_tag(), platform, emit)
        return await self._workers.run(self._images.resolve, reference)

    async def _find(self, reference: str) -> Image | None:
        try:
            return await self._workers.run(self._images.resolve, reference)
        except NotFound:
            return None

    async def _pull(self, reference: Reference, platform: Platform | None, emit: Emit) -> None:
        credentials = await self._credentials.for_domain(reference.domain)
        name = reference.familiar
        stream = self._puller.pull(name, platform=platform, credentials=credentials)
        async for message in stream:
            if "error" in message:
                raise PullFailed(str(message["error"]))
            emit(progress.Pulling(message))
            await emit.ready()


def _fits(image: Image, platform: Platform | None) -> bool:
    """Nothing asked for, or the image is for it; images that don't say are taken."""
    if platform is None or not image.spec.architecture:
        return True
    return normalise(image.spec.platform) == normalise(platform)
