"""Unpacks archives: layers into layer directories, and plain ones for ADD, cp and import.

`extract` reads a layer once: decompression, the hash of the plain bytes (the diff id) and the
extraction go on together. The hash covers everything up to the end of the stream, also what
follows the end of the archive. On failure the target is half filled: callers extract into a
stage and drop it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sampan.lib.tarstream import Bytes, Readable, TarReader
from sampan.linux.beneath import resolve_beneath
from sampan.oci.digest import PREFIX, Digest
from sampan.store.decompress import Compression, decompressed
from sampan.store.extractor import Extractor

Progress = Callable[[int], None]  # told how many (compressed) bytes were read so far


@dataclass(frozen=True, slots=True)
class Unpacked:
    """`size_bytes` is the sum of the files' sizes; `diff_id` is None if nobody hashed."""

    diff_id: Digest | None
    size_bytes: int
    inodes: int
    compression: Compression


@dataclass(frozen=True, slots=True)
class Extracted:
    diff_id: Digest
    size_bytes: int
    inodes: int
    compression: Compression


class _Hashing:
    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> Bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> Digest:
        return Digest(PREFIX + self._hash.hexdigest())


class _Counting:
    def __init__(self, source: Readable, on_progress: Progress) -> None:
        self._source = source
        self._on_progress = on_progress
        self._total = 0

    def read(self, size: int, /) -> Bytes:
        data = self._source.read(size)
        self._total += len(data)
        self._on_progress(self._total)
        return data


def extract(source: Readable, root: Path, *, on_progress: Progress | None = None) -> Extracted:
    """Unpack a layer, compressed or not, into the empty directory `root`.

    Raises InvalidArgument for bad archives, DataLoss for bad compression, OSError of the disk.
    """
    if on_progress is not None:
        source = _Counting(source, on_progress)
    done = unpack(source, root)
    assert done.diff_id is not None
    return Extracted(done.diff_id, done.size_bytes, done.inodes, done.compression)


def unpack(source: Readable, root: Path, *, hash_uncompressed: bool = True) -> Unpacked:
    """As `extract`. A caller that hashes the bytes anyway spares it for uncompressed ones."""
    compression, plain = decompressed(source)
    hashing = None
    if hash_uncompressed or compression is not Compression.PLAIN:
        plain = hashing = _Hashing(plain)
    reader = TarReader(plain)
    with Extractor(root, layer=True) as extractor:
        for entry in reader:
            extractor.add(entry, reader)
        reader.drain()
        extractor.finish()
        diff_id = None if hashing is None else hashing.digest
        return Unpacked(diff_id, extractor.size_bytes, extractor.inodes, compression)


def plain_extract(
    source: Readable,
    root: Path,
    *,
    into: str = "/",
    owner: tuple[int, int] | None = None,
    keep_directories: bool = False,
    refuse_climbing: bool = False,
) -> None:
    """Unpack an archive, compressed or not, at `into` inside the tree `root`.

    Links in the tree are followed as if chrooted to it. `owner` overrides the members' owners.
    With `keep_directories` a directory is never replaced by a file nor the other way round.
    """
    parts = resolve_beneath(root, into).relative_to(root).parts
    _, plain = decompressed(source)
    reader = TarReader(plain)
    with Extractor(
        root,
        layer=False,
        into=parts,
        owner=owner,
        keep_directories=keep_directories,
        refuse_climbing=refuse_climbing,
    ) as extractor:
        for entry in reader:
            extractor.add(entry, reader)
        reader.drain()
        extractor.finish()
