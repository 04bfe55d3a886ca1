"""GET /distribution/{name}/json: what a registry has under a name, without pulling it."""

from sampan.oci.reference import parse_reference
from sampan.registry.keychain import Credentials
from sampan.registry.resolver import Resolver
from sampan.wire.images import DistributionInspect, OciDescriptor, OciPlatform


class DistributionInspector:
    def __init__(self, *, resolver: Resolver) -> None:
        self._resolver = resolver

    async def inspect(self, name: str, *, credentials: Credentials) -> DistributionInspect:
        """Raises InvalidReference, ManifestMissing and its kin, Unreachable."""
        reference = parse_reference(name).with_default_tag()
        descriptor, platforms = await self._resolver.index(reference, credentials=credentials)
        return DistributionInspect(
            Descriptor=OciDescriptor(
                mediaType=descriptor.mediaType, digest=descriptor.digest, size=descriptor.size
            ),
            Platforms=[
                OciPlatform(architecture=found.architecture, os=found.os, variant=found.variant)
                for found in platforms
            ],
        )
