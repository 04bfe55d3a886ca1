"""Manifest lists in the making, as files of the client, in the layout of Docker's client.

    <configuration>/manifests/<list>/<image>      one JSON document for each image of a list

Names are references with "_" for "/" and "-" for ":". A list is the folder: its images come in the
order of these names. What goes to a registry is made of them by `document`.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from sampan.errors import InvalidArgument, NotFound
from sampan.lib.atomicfile import write_atomic
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor, Platform
from sampan.oci.manifest import Manifest
from sampan.oci.reference import Reference

# What Docker's client takes: the systems and processors of Go in its time.
_PROCESSORS = {
    "darwin": "386 amd64 arm arm64",
    "dragonfly": "amd64",
    "freebsd": "386 amd64 arm",
    "linux": "386 amd64 arm arm64 mips64 mips64le ppc64le riscv64 s390x",
    "netbsd": "386 amd64 arm",
    "openbsd": "386 amd64 arm",
    "plan9": "386 amd64",
    "solaris": "amd64",
    "windows": "386 amd64",
}


class NoSuchManifest(NotFound):
    def __init__(self, reference: Reference) -> None:
        super().__init__(f"No such manifest: {reference}")


class NotInList(NotFound):
    def __init__(self, image: Reference, chosen: Reference) -> None:
        super().__init__(f"manifest for image {image} does not exist in {chosen}")


class UnknownPlatform(InvalidArgument):
    def __init__(self, platform: Platform) -> None:
        super().__init__(
            "manifest entry for image has unsupported os/arch combination: "
            f"{platform.os}/{platform.architecture}"
        )


class ImageManifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One image of a list. `Raw` are the manifest's bytes; one of the last two is the same as
    fields, by the family of its type."""

    Ref: str
    Descriptor: Descriptor
    Raw: bytes
    SchemaV2Manifest: dict[str, Any] | None = None
    OCIManifest: dict[str, Any] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        return self.SchemaV2Manifest or self.OCIManifest or {}


def image_manifest(name: str, described: Descriptor, raw: bytes, parsed: Manifest) -> ImageManifest:
    """`described` has the platform, `parsed` what `raw` says."""
    fields = msgspec.to_builtins(parsed)
    is_oci = described.mediaType == mediatypes.OCI_MANIFEST
    kept = ("schemaVersion", "mediaType", "config", "layers", *(("annotations",) if is_oci else ()))
    fields = {key: fields[key] for key in kept if key in fields}
    return ImageManifest(
        Ref=name,
        Descriptor=described,
        Raw=raw,
        SchemaV2Manifest=None if is_oci else fields,
        OCIManifest=fields if is_oci else None,
    )


def check_platform(platform: Platform) -> None:
    """Raises UnknownPlatform."""
    if platform.architecture not in _PROCESSORS.get(platform.os, "").split():
        raise UnknownPlatform(platform)


def document(entries: Iterable[Descriptor]) -> tuple[str, bytes]:
    """The type of the list and its bytes, as Docker's client writes them."""
    found = list(entries)
    is_oci = bool(found) and found[0].mediaType == mediatypes.OCI_MANIFEST
    media_type = mediatypes.OCI_INDEX if is_oci else mediatypes.DOCKER_INDEX
    listed = [
        {
            "mediaType": entry.mediaType,
            "size": entry.size,
            "digest": entry.digest,
            "platform": _platform(entry.platform or Platform()),
        }
        for entry in found
    ]
    whole = {"schemaVersion": 2, "mediaType": media_type, "manifests": listed}
    return media_type, json.dumps(whole, indent=3, ensure_ascii=False).encode()


def _platform(platform: Platform) -> dict[str, Any]:
    """Always with its first two members."""
    named: dict[str, Any] = msgspec.to_builtins(platform)
    return {"architecture": platform.architecture, "os": platform.os, **named}


class ManifestLists:
    """All lists of one client."""

    def __init__(self, configuration: Path) -> None:
        self._root = configuration / "manifests"

    def names(self, chosen: Reference) -> list[str]:
        folder = self._folder(chosen)
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))

    def images(self, chosen: Reference) -> list[ImageManifest]:
        """Empty: there is no such list."""
        return [_read(self._folder(chosen) / name) for name in self.names(chosen)]

    def find(self, chosen: Reference, image: Reference) -> ImageManifest | None:
        path = self._folder(chosen) / _file_name(image)
        return _read(path) if path.exists() else None

    def put(self, chosen: Reference, image: Reference, manifest: ImageManifest) -> None:
        folder = self._folder(chosen)
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_atomic(folder / _file_name(image), msgspec.json.encode(manifest))

    def remove(self, chosen: Reference) -> None:
        """Raises NoSuchManifest."""
        folder = self._folder(chosen)
        if not folder.is_dir():
            raise NoSuchManifest(chosen)
        shutil.rmtree(folder)

    def _folder(self, chosen: Reference) -> Path:
        return self._root / _file_name(chosen)


def _file_name(reference: Reference) -> str:
    return str(reference).replace(":", "-").replace("/", "_")


def _read(path: Path) -> ImageManifest:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ImageManifest)
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"{path}: {error}") from error
