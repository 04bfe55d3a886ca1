"""Names of images as users write them, and their one canonical form.

    busybox                    docker.io/library/busybox
    ns/im:1                    docker.io/ns/im:1
    localhost/im               localhost/im
    reg.example:5000/a/b@sha256:..  itself

The first component is a registry if it has a dot, a colon or an upper-case letter, or is
`localhost`. A missing tag stays missing until `with_default_tag`. Messages are those of
distribution/reference as the CLI 28 shows them.
"""

import re
from dataclasses import dataclass, replace

from sampan.errors import InvalidArgument
from sampan.oci.digest import Digest, parse_digest

DEFAULT_DOMAIN = "docker.io"
LEGACY_DOMAIN = "index.docker.io"
OFFICIAL = "library/"
DEFAULT_TAG = "latest"
MAX_NAME = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"({_DOMAIN})/({_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?", re.ASCII)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_TAG_ALONE = re.compile(_TAG, re.ASCII)


class InvalidReference(InvalidArgument):
    def __init__(self, reason: str = "") -> None:
        super().__init__(f"invalid reference format{': ' if reason else ''}{reason}")


class IdentifierAsName(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )


class NameTooLong(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(f"repository name must not be more than {MAX_NAME} characters")


class InvalidTag(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("invalid tag format")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed name; `str()` is canonical."""

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """Canonical, without tag and digest: docker.io/library/busybox."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """As users write it: busybox."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        short = self.path.removeprefix(OFFICIAL)
        # library/ns/im isn't ns/im
        return self.path if "/" in short and short != self.path else short

    @property
    def familiar(self) -> str:
        """As users write it, with what tag and digest it has: busybox:latest."""
        return self.familiar_name + self._suffix()

    def __str__(self) -> str:
        return self.name + self._suffix()

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{tag}@{self.digest}" if self.digest is not None else tag

    def with_default_tag(self) -> "Reference":
        """Add `latest` if there is neither tag nor digest."""
        if self.tag is None and self.digest is None:
            return replace(self, tag=DEFAULT_TAG)
        return self

    def with_tag(self, tag: str) -> "Reference":
        """Replace the tag. Raises InvalidTag."""
        if not _TAG_ALONE.fullmatch(tag):
            raise InvalidTag
        return replace(self, tag=tag)

    def with_digest(self, digest: Digest) -> "Reference":
        return replace(self, digest=digest)

    def without_tag(self) -> "Reference":
        return replace(self, tag=None, digest=None)


def parse_reference(text: str) -> Reference:
    """Normalise what a user wrote. Raises InvalidReference and its kin."""
    if _IDENTIFIER.fullmatch(text):
        raise IdentifierAsName(text)
    domain, rest = _split_domain(text)
    repository = rest.partition("@")[0].partition(":")[0]
    if repository.lower() != repository:
        raise InvalidReference(f"repository name ({repository}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if match is None:
        raise InvalidReference
    name, path, tag, digest = match.groups()
    if len(name) + 1 + len(path) > MAX_NAME:
        raise NameTooLong
    return Reference(name, path, tag, parse_digest(digest) if digest else None)


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_domain = slash and (
        "." in first or ":" in first or first == "localhost" or first.lower() != first
    )
    if not is_domain:
        first, rest = DEFAULT_DOMAIN, text
    if first == LEGACY_DOMAIN:
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = OFFICIAL + rest
    return first, rest
