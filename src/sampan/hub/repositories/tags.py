"""A repository's tags, the platforms behind each, and the layers of one image.

Manifests are read from the database, where the registry keeps their bytes; image configs are
blobs and are read by the caller through the storage (`Image.config_digest`). Attestations that
build tools put into an index (platform unknown/unknown) are no platforms of the image.

A page of tags is a few queries whatever it holds, and bounded in memory: anybody may push indexes
of 4 MiB with thousands of entries. Of indexes, so much is read as fits into `PAYLOADS_BYTES`, and
of each the first `PLATFORMS_MOST` platforms; what isn't read shows no platforms in a list, but on
the tag's own page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Row, func, select

from sampan.hub.db.schema import manifests, tags
from sampan.hub.repositories.edits import TagNotFound

PAYLOADS_BYTES = 8 << 20  # of indexes for one page of tags
PLATFORMS_MOST = 100  # of one tag
_IN_ONE_QUERY = 1000  # parameters

INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
ORDERINGS = {
    "newest": tags.c.pushed_ns.desc(),
    "oldest": tags.c.pushed_ns,
    "name": tags.c.name,
    "-name": tags.c.name.desc(),
}

_OF_PLATFORMS: tuple[Column[Any], ...] = (
    *(manifests.c.digest, manifests.c.os, manifests.c.architecture, manifests.c.variant),
    *(manifests.c.image_size, manifests.c.pushed_ns),
)


@dataclass(frozen=True, slots=True)
class Platform:
    """One image of a tag. `size` is compressed: config and layers."""

    os: str
    architecture: str
    variant: str
    digest: str
    size: int
    pushed_ns: int

    @property
    def name(self) -> str:
        parts = [self.os or "linux", self.architecture or "unknown", self.variant]
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    digest: str
    media_type: str
    pusher: str
    pushed_ns: int
    pulled_ns: int | None
    platforms: tuple[Platform, ...]

    @property
    def size(self) -> int:
        """Of the first platform, as Docker's hub says it."""
        return self.platforms[0].size if self.platforms else 0


@dataclass(frozen=True, slots=True)
class Layer:
    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's manifest, opened."""

    platform: Platform
    config_digest: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an image's history; `layer` is None for those that changed no files."""

    created_by: str
    layer: Layer | None


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str = ""
    size: int = 0
    media_type: str = ""
    platform: dict[str, Any] | None = None
    annotations: dict[str, str] | None = None


class _Manifest(msgspec.Struct, frozen=True):
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None


def list_tags(
    connection: Connection,
    repository_id: int,
    *,
    name: str = "",
    ordering: str = "newest",
    limit: int = 25,
    offset: int = 0,
) -> tuple[list[Tag], int]:
    """One page, and how many there are."""
    wanted = tags.c.repository_id == repository_id
    if name:
        wanted &= tags.c.name.contains(name, autoescape=True)
    count = connection.execute(select(func.count()).select_from(tags).where(wanted)).scalar_one()
    rows = connection.execute(
        _query()
        .where(wanted)
        .order_by(ORDERINGS.get(ordering, ORDERINGS["newest"]), tags.c.name)
        .limit(limit)
        .offset(offset)
    )
    return _tags(connection, repository_id, rows.all()), count


def get_tag(connection: Connection, repository_id: int, path: str, tag: str) -> Tag:
    """Raises TagNotFound."""
    row = connection.execute(
        _query().where(tags.c.repository_id == repository_id, tags.c.name == tag)
    ).first()
    if row is None:
        raise TagNotFound(path, tag)
    return _tags(connection, repository_id, [row])[0]


def _query() -> Any:
    return select(
        tags.c.repository_id,
        tags.c.name,
        tags.c.pulled_ns,
        tags.c.pusher.label("tag_pusher"),
        tags.c.pushed_ns.label("tag_pushed_ns"),
        manifests.c.media_type,
        manifests.c.size,
        *_OF_PLATFORMS,
    ).join(
        manifests,
        (manifests.c.repository_id == tags.c.repository_id) & (manifests.c.digest == tags.c.digest),
    )


def _tags(connection: Connection, repository_id: int, rows: Sequence[Row[Any]]) -> list[Tag]:
    listed = _listed(connection, repository_id, rows)
    children = _children(connection, repository_id, listed.values())
    return [
        Tag(
            name=row.name,
            digest=row.digest,
            media_type=row.media_type,
            pusher=row.tag_pusher or "",
            pushed_ns=row.tag_pushed_ns,
            pulled_ns=row.pulled_ns,
            platforms=_platforms(row, listed, children),
        )
        for row in rows
    ]


def _listed(
    connection: Connection, repository_id: int, rows: Sequence[Row[Any]]
) -> dict[str, list[_Descriptor]]:
    """What the indexes among them hold: by the digest, the images of each."""
    sizes = {row.digest: row.size for row in rows if row.media_type in INDEXES}
    wanted: list[str] = []
    total = 0
    for digest, size in sizes.items():
        total += size
        if wanted and total > PAYLOADS_BYTES:
            break
        wanted.append(digest)
    if not wanted:
        return {}
    found = connection.execute(
        select(manifests.c.digest, manifests.c.payload).where(
            manifests.c.repository_id == repository_id, manifests.c.digest.in_(wanted)
        )
    )
    return {row.digest: _images(row.payload) for row in found}


def _images(payload: bytes) -> list[_Descriptor]:
    held = _decode(payload).manifests or ()
    return [each for each in held if _is_image(each)][:PLATFORMS_MOST]


def _children(
    connection: Connection, repository_id: int, listed: Iterable[Sequence[_Descriptor]]
) -> dict[str, Row[Any]]:
    digests = list(dict.fromkeys(each.digest for index in listed for each in index))
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(digests), _IN_ONE_QUERY):
        rows = connection.execute(
            # not their payloads: there may be thousands of some megabytes
            select(*_OF_PLATFORMS).where(
                manifests.c.repository_id == repository_id,
                manifests.c.digest.in_(digests[start : start + _IN_ONE_QUERY]),
            )
        )
        found |= {row.digest: row for row in rows}
    return found


def _platforms(
    row: Row[Any],
    listed: Mapping[str, Sequence[_Descriptor]],
    children: Mapping[str, Row[Any]],
) -> tuple[Platform, ...]:
    if row.media_type not in INDEXES:
        return (_platform(row, None),)
    return tuple(
        _platform(children[each.digest], each.platform)
        for each in listed.get(row.digest, ())
        if each.digest in children
    )


def _platform(row: Row[Any], said: Mapping[str, Any] | None) -> Platform:
    said = said or {}
    return Platform(
        os=str(said.get("os") or row.os),
        architecture=str(said.get("architecture") or row.architecture),
        variant=str(said.get("variant") or row.variant),
        digest=row.digest,
        size=row.image_size,
        pushed_ns=row.pushed_ns,
    )


def _is_image(entry: _Descriptor) -> bool:
    return (entry.platform or {}).get("os") != "unknown"


def _decode(payload: bytes) -> _Manifest:
    """What isn't the shape of a manifest has nothing in it: anybody may push anything."""
    try:
        return msgspec.json.decode(payload, type=_Manifest)
    except msgspec.MsgspecError:
        return _Manifest()


def get_image(connection: Connection, repository_id: int, platform: Platform) -> Image:
    row = connection.execute(
        select(manifests.c.payload).where(
            manifests.c.repository_id == repository_id, manifests.c.digest == platform.digest
        )
    ).first()
    found = _decode(row.payload) if row else _Manifest()
    return Image(
        platform,
        found.config.digest if found.config else "",
        tuple(Layer(each.digest, each.size, each.media_type) for each in found.layers or ()),
    )


def history(config: bytes, layers: Sequence[Layer]) -> list[Step]:
    """The image's history beside its layers; layers alone where the config doesn't fit them."""
    try:
        entries = msgspec.json.decode(config).get("history") or []
        made = [
            (str(entry.get("created_by") or ""), bool(entry.get("empty_layer")))
            for entry in entries
        ]
    except (msgspec.MsgspecError, AttributeError, TypeError):
        made = []
    if sum(not empty for _, empty in made) != len(layers):
        return [Step("", layer) for layer in layers]
    rest = iter(layers)
    return [Step(readable(by), None if empty else next(rest)) for by, empty in made]


def readable(created_by: str) -> str:
    """An instruction as it was in the Dockerfile, nearly."""
    text = created_by.strip()
    for prefix, instead in (
        ("/bin/sh -c #(nop) ", ""),
        ("/bin/sh -c ", "RUN "),
        ("RUN /bin/sh -c ", "RUN "),
    ):
        if text.startswith(prefix):
            text = instead + text[len(prefix) :].strip()
            break
    return text.removesuffix("# buildkit").strip()
