"""A descriptor says what a blob is: its type, address and size; a platform, for what it runs on.

Fields have the names of the JSON documents. Digests are checked while decoding, because they
become file names.
"""

from typing import Annotated

import msgspec

from sampan.oci.digest import Digest, parse_digest

Size = Annotated[int, msgspec.Meta(ge=0)]


class Platform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """os/architecture[/variant], in Go's names (linux/arm64/v8)."""

    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] | None = msgspec.field(default=None, name="os.features")
    variant: str = ""
    features: tuple[str, ...] | None = None

    def __str__(self) -> str:
        parts = [self.os, self.architecture, self.variant]
        return "/".join(part for part in parts if part)


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The members `mediaType`, `digest` and `size` are always there."""

    mediaType: str
    digest: Digest
    size: Size
    urls: tuple[str, ...] | None = None
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifactType: str = ""

    def __post_init__(self) -> None:
        parse_digest(self.digest)
