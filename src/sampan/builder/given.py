"""Trees of a few files that no archive brought: here-documents and downloads."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from sampan.lib.tarstream import CHUNK, Entry, Kind

_ROOT = Entry(name="", kind=Kind.DIRECTORY, mode=0o755)


class GivenFiles:
    """See trees.Tree. Contents are bytes in memory or files of ours."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {"": _ROOT}
        self._contents: dict[str, bytes | Path] = {}

    def add(self, entry: Entry, content: bytes | Path) -> None:
        """`entry.name` has no slash."""
        self._entries[entry.name] = entry
        self._contents[entry.name] = content

    def find(self, path: str) -> Entry | None:
        return self._entries.get(path)

    def names(self, path: str) -> list[str]:
        return sorted(self._contents) if not path else []

    def digest(self, entry: Entry) -> str:
        digest = hashlib.sha256()
        for piece in self.data(entry):
            digest.update(piece)
        return digest.hexdigest()

    def data(self, entry: Entry) -> Iterator[bytes]:
        content = self._contents[entry.name]
        if isinstance(content, bytes):
            yield content
            return
        with content.open("rb") as source:
            while piece := source.read(CHUNK):
                yield piece
