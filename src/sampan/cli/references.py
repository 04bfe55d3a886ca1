"""Image references as the command line sends them.

Docker's client normalises names where the engine expects a canonical one (pull, push, tag,
commit): `busybox` becomes `docker.io/library/busybox`. Only the checks that must fail before a
request is made are done here; the engine has the full grammar.
"""

from __future__ import annotations

DEFAULT_DOMAIN = "docker.io"
INDEX_KEY = "https://index.docker.io/v1/"

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_PATH = _LOWER | frozenset("._-/")
_TAG = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-") | _LOWER
_HEX = frozenset("0123456789abcdef")
MAX_TAG = 128
MAX_NAME = 255


class BadReference(ValueError):
    """Not an image reference; the message is Docker's."""


def split(text: str) -> tuple[str, str]:
    """The canonical name, and the tag or digest ("" when there is neither)."""
    if len(text) == 64 and _HEX.issuperset(text):
        raise BadReference(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    rest, at, digest = text.partition("@")
    name, label = _split_tag(rest)
    domain, path = split_domain(name)
    _check_path(path)
    if label and (not _TAG.issuperset(label) or label[0] in ".-" or len(label) > MAX_TAG):
        raise BadReference("invalid reference format")
    if at and not _is_digest(digest):
        raise BadReference("invalid reference format")
    if rest.endswith(":") or len(path) > MAX_NAME:
        raise BadReference("invalid reference format")
    return f"{domain}/{path}", digest or label


def _split_tag(text: str) -> tuple[str, str]:
    name, colon, label = text.rpartition(":")
    return (name, label) if colon and "/" not in label else (text, "")


def split_domain(name: str) -> tuple[str, str]:
    """The registry's host and the path below it."""
    first, slash, rest = name.partition("/")
    is_domain = slash and (
        "." in first or ":" in first or first == "localhost" or first.lower() != first
    )
    if not is_domain:
        first, rest = DEFAULT_DOMAIN, name
    if first == "index.docker.io":
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _check_path(path: str) -> None:
    if path.lower() != path:
        raise BadReference(f"invalid reference format: repository name ({path}) must be lowercase")
    parts = path.split("/")
    if not _PATH.issuperset(path) or not all(
        part and part[0] in _LOWER and part[-1] in _LOWER for part in parts
    ):
        raise BadReference("invalid reference format")


def _is_digest(text: str) -> bool:
    algorithm, colon, digits = text.partition(":")
    return bool(algorithm and colon) and len(digits) >= 32 and _HEX.issuperset(digits)


def familiar(name: str) -> str:
    """How people write it: without the default domain and `library/`."""
    return name.removeprefix(f"{DEFAULT_DOMAIN}/").removeprefix("library/")


def join(name: str, label: str) -> str:
    """A name with its tag or digest."""
    if not label:
        return name
    return f"{name}@{label}" if ":" in label else f"{name}:{label}"


def auth_key(name: str) -> str:
    """The key of the registry's credentials in the configuration file."""
    domain, _ = split_domain(name)
    return INDEX_KEY if domain == DEFAULT_DOMAIN else domain
