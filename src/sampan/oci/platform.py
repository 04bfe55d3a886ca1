"""Platforms: which one is ours, how users write them, and which image of an index fits.

Normal forms are containerd's: amd64 and arm64 have no variant, 32-bit arm always has one.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

from sampan.errors import InvalidArgument, NotFound
from sampan.oci.descriptor import Descriptor, Platform

__all__ = ["NoMatch", "Platform", "host_platform", "normalise", "parse_platform", "select"]

# (as uname or users say it) -> (architecture, variant)
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "arm": ("arm", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
    "mips64le": ("mips64le", ""),
    "loong64": ("loong64", ""),
}
_SYSTEMS = frozenset({"linux", "windows", "darwin", "freebsd"})
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")


class Index(Protocol):
    @property
    def manifests(self) -> Sequence[Descriptor]: ...


class NoMatch(NotFound):
    def __init__(self, platform: Platform) -> None:
        super().__init__(f"no matching manifest for {platform} in the manifest list entries")


def host_platform() -> Platform:
    machine = os.uname().machine
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    return Platform(os="linux", architecture=architecture, variant=variant)


def normalise(platform: Platform) -> Platform:
    """The one spelling of equal platforms: x86_64 is amd64, arm64/v8 is arm64, arm is arm/v7."""
    architecture, implied = _ARCHITECTURES.get(
        platform.architecture.lower(), (platform.architecture.lower(), "")
    )
    variant = platform.variant or implied
    if architecture == "arm64" and variant in {"8", "v8"}:
        variant = ""
    if architecture == "arm":
        variant = f"v{variant.removeprefix('v')}" if variant else "v7"
    if architecture == "amd64" and variant == "v1":
        variant = ""
    return Platform(
        os=platform.os.lower(),
        architecture=architecture,
        variant=variant,
        os_version=platform.os_version,
    )


def parse_platform(text: str) -> Platform:
    """`os`, `architecture`, `os/architecture` or `os/architecture/variant`."""
    parts = text.lower().split("/")
    if not all(parts) or len(parts) > 3:
        raise InvalidArgument(f'"{text}": cannot parse platform specifier: invalid argument')
    if len(parts) == 1:
        return _parse_single(parts[0])
    variant = parts[2] if len(parts) == 3 else ""
    return normalise(Platform(os=parts[0], architecture=parts[1], variant=variant))


def _parse_single(word: str) -> Platform:
    host = host_platform()
    if word in _SYSTEMS:
        return Platform(os=word, architecture=host.architecture, variant=host.variant)
    if word in _ARCHITECTURES:
        return normalise(Platform(os="linux", architecture=word))
    raise InvalidArgument(f'"{word}": unknown operating system or architecture: invalid argument')


def select(index: Index, platform: Platform) -> Descriptor:
    """The entry that fits best. Raises NoMatch.

    32-bit arm takes the same variant or the nearest lower one; elsewhere an entry without a
    variant serves every variant. Attestations (platform unknown/unknown) never fit.
    """
    for wanted in _acceptable(normalise(platform)):
        for entry in index.manifests:
            if entry.platform is not None and _equal(normalise(entry.platform), wanted):
                return entry
    raise NoMatch(platform)


def _equal(left: Platform, right: Platform) -> bool:
    return (left.os, left.architecture, left.variant) == (
        right.os,
        right.architecture,
        right.variant,
    )


def _acceptable(platform: Platform) -> Iterator[Platform]:
    yield platform
    if platform.architecture == "arm" and platform.variant in _ARM_VARIANTS:
        for variant in _ARM_VARIANTS[_ARM_VARIANTS.index(platform.variant) + 1 :]:
            yield Platform(os=platform.os, architecture="arm", variant=variant)
    elif platform.variant:
        yield Platform(os=platform.os, architecture=platform.architecture)
