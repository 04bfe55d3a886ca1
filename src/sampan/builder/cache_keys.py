"""Cache keys: what went into a step, as one digest and, so that a miss can be explained, by name.

    key = sha256 over kind, base, parts          base: the identity of the state that it continues
    apart = sha256 over kind, parts              COPY --link: the layer fits on any base

Everything that can change what comes out is in the digest: arguments, environment, the whole
configuration (health check and triggers too), platform, content of files. `files` only explain:
their content is in the digest through the operation's content hash.

Values are kept as they are while they are short, and as hashes beyond that. Of a selection with
very many files only folders are kept, each with a hash of what is in it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

KEPT_FILES = 2000  # more are told apart by folder only
_SHOWN = 120  # characters of a value
_HASH_DIGITS = 16


class Parts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The named inputs of one step, shortened."""

    kind: str
    base: str = ""
    sources: tuple[str, ...] = ()  # identities of what files come from
    files: dict[str, str] = {}
    arguments: dict[str, str] = {}
    environment: dict[str, str] = {}
    settings: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Key:
    """Equal digests: the same inputs. `apart` is a key without the state that the step continues:
    equal ones make equal files. Empty where what is made depends on that state."""

    digest: str
    parts: Parts
    apart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a vertex stands in its Dockerfile, to find out what it was the last time.

    `build` tells builds of different things apart as far as that is known; `arguments` are the
    build arguments that the instruction sees, `base` is the name on its stage's FROM.
    """

    build: str = ""
    stage: str = ""
    index: int = 0
    text: str = ""
    base: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)

    def places(self) -> tuple[str, str]:
        """Two names of this step: by its text (it may have moved), by its number."""
        by_text = ["text", self.build, self.stage, self.text]
        by_index = ["index", self.build, self.stage, self.index]
        return _digest(by_text), _digest(by_index)


def cache_key(
    kind: str,
    base: str,
    *rest: object,
    sources: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    arguments: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    **settings: object,
) -> Key:
    """All but `files` decide. Values are plain JSON data; map entries are taken in sorted order."""
    decisive = [kind, base, list(rest), list(sources), arguments or {}, environment or {}, settings]
    named = {f"input {number}": value for number, value in enumerate(rest, 1)} | settings
    parts = Parts(
        kind=kind,
        base=base,
        sources=tuple(sources),
        files=_folded(files or {}),
        arguments=_short(arguments or {}),
        environment=_short(environment or {}),
        settings=_short(named),
    )
    return Key(_digest(decisive), parts)


def _short(values: Mapping[str, object]) -> dict[str, str]:
    return {name: _shown(value) for name, value in values.items()}


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"#{_digest(value)[:_HASH_DIGITS]}"


def _folded(files: Mapping[str, str]) -> dict[str, str]:
    """Paths to short hashes; of too many, their folders (and these folders' folders)."""
    if len(files) <= KEPT_FILES:
        return {path: digest[:_HASH_DIGITS] for path, digest in files.items()}
    found: dict[str, hashlib._Hash] = {}
    depth = 3
    while depth:
        found = {}
        for path, digest in sorted(files.items()):
            folder = "/".join(path.split("/")[:-1][:depth]) + "/"
            found.setdefault(folder, hashlib.sha256()).update(f"{path}\0{digest}\0".encode())
        if len(found) <= KEPT_FILES:
            break
        depth -= 1
    return {folder: one.hexdigest()[:_HASH_DIGITS] for folder, one in found.items()}


def _digest(value: object) -> str:
    encoded = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()
