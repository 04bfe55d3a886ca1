"""What a build hands back: files into a directory, or one stream of bytes into a file.

Names come from an engine, which took them from an image: every one is opened step by step below
the directory, and links are never followed. Files are the user's own, as other builders leave them.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from sampan.errors import InvalidArgument
from sampan.lib.tarstream import Entry, Kind
from sampan.store.members import strict_parts

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DirectorySink:
    """See rpc.filesync.Sink. What is there already stays, unless something has its name. `close`
    gives directories their modes and times, which writing in them changes."""

    def __init__(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._count = 0
        self._files: dict[int, Entry] = {}  # asked for
        self._open: dict[int, int] = {}  # being written; few at a time
        self._folders: list[Entry] = []

    def announce(self, entry: Entry) -> int | None:
        index = self._count
        self._count += 1
        parts = strict_parts(entry.name)
        if not parts:
            return None
        folder = self._open_folder(parts[:-1])
        try:
            return self._make(folder, parts[-1], entry, index)
        finally:
            os.close(folder)

    def data(self, index: int, chunk: bytes, /) -> None:
        descriptor = self._file(index)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def end(self, index: int) -> None:
        descriptor = self._file(index)
        entry = self._files.pop(index)
        del self._open[index]
        try:
            os.fchmod(descriptor, entry.mode)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        for entry in reversed(self._folders):
            with suppress(OSError):
                folder = self._open_folder(strict_parts(entry.name))
                os.fchmod(folder, entry.mode)
                os.utime(folder, ns=(entry.mtime_ns, entry.mtime_ns))
                os.close(folder)
        os.close(self._root)

    def _file(self, index: int) -> int:
        if index not in self._files:
            raise InvalidArgument(f"content of file {index} was not asked for")
        if index not in self._open:
            parts = strict_parts(self._files[index].name)
            folder = self._open_folder(parts[:-1])
            try:
                self._open[index] = os.open(parts[-1], _FILE, 0o600, dir_fd=folder)
            finally:
                os.close(folder)
        return self._open[index]

    def _open_folder(self, parts: Sequence[str]) -> int:
        folder = os.dup(self._root)
        for part in parts:
            try:
                below = os.open(part, _FOLDER, dir_fd=folder)
            finally:
                os.close(folder)
            folder = below
        return folder

    def _make(self, folder: int, name: str, entry: Entry, index: int) -> int | None:
        if entry.kind is Kind.DIRECTORY:
            self._folders.append(entry)
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=folder)
                return None
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return None
            os.unlink(name, dir_fd=folder)
            os.mkdir(name, 0o755, dir_fd=folder)
            return None
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        if entry.kind is Kind.REGULAR:
            self._files[index] = entry
            return index
        self._make_special(folder, name, entry)
        return None

    def _make_special(self, folder: int, name: str, entry: Entry) -> None:
        match entry.kind:
            case Kind.SYMLINK:
                os.symlink(entry.link, name, dir_fd=folder)
            case Kind.HARD_LINK:
                parts = strict_parts(entry.link)
                source = self._open_folder(parts[:-1])
                try:
                    os.link(
                        parts[-1],
                        name,
                        src_dir_fd=source,
                        dst_dir_fd=folder,
                        follow_symlinks=False,
                    )
                finally:
                    os.close(source)
            case Kind.FIFO:
                os.mkfifo(name, entry.mode, dir_fd=folder)
            case Kind.CHARACTER | Kind.BLOCK_DEVICE:
                kind = stat.S_IFCHR if entry.kind is Kind.CHARACTER else stat.S_IFBLK
                os.mknod(name, kind | entry.mode, os.makedev(*entry.device), dir_fd=folder)
            case _:
                raise InvalidArgument(f"{entry.name}: a file of an unknown kind")


class FileSink:
    """One file that appears when it is whole; "-" is standard output. A device or a pipe is
    written to directly."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = ""
        if path == "-":
            self._descriptor = os.dup(1)
        elif os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        else:
            self._temporary = f"{path}.{os.urandom(5).hex()}"
            self._descriptor = os.open(self._temporary, _FILE, 0o644)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def commit(self) -> None:
        if self._temporary:
            os.rename(self._temporary, self._path)  # noqa: PTH104
            self._temporary = ""

    def close(self) -> None:
        os.close(self._descriptor)
        if self._temporary:
            os.unlink(self._temporary)  # noqa: PTH108
