"""`docker cp`: stat, read and write paths of a container, running or not.

Paths come from outside and are resolved inside the container's root (openat2 RESOLVE_IN_ROOT).
Docker's rules: the last component isn't followed when it is a link, unless the path ends in `/` or
`/.`; what is read is named after the path's last component; what is written goes into a directory.
"""

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from posixpath import normpath

from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.rootview import RootViews
from sampan.engine.events import EventLog
from sampan.errors import Denied, InvalidArgument, NotFound
from sampan.lib import gotime
from sampan.lib.bridge import consumed, produced
from sampan.lib.workers import Workers
from sampan.linux.beneath import open_beneath, resolve_beneath
from sampan.runtime.users import resolve_user
from sampan.store.apply import plain_extract
from sampan.store.diff import write_path
from sampan.wire.archive import PathStat, go_mode

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NoSuchPath(NotFound):
    def __init__(self, path: str, container: str) -> None:
        super().__init__(f"Could not find the file {path} in container {container}")


class Archives:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        views: RootViews,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._views = views
        self._events = events
        self._workers = workers

    async def stat(self, text: str, path: str) -> PathStat:
        """Raises NoSuchContainer and NoSuchPath."""
        container = self._registry.get(text)
        async with self._views.open(container) as root:
            return await self._workers.run(_stat, root, path, text)

    async def get(self, text: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """The path's facts and a tar of it. Raises NoSuchContainer and NoSuchPath at once.

        Of a container that is removed meanwhile the tar ends with NoSuchContainer.
        """
        container = self._registry.get(text)
        facts = await self.stat(text, path)
        return facts, self._read(container, path)

    async def _read(self, container: Container, path: str) -> AsyncIterator[bytes]:
        async with self._views.open(container) as root:
            folder, name = await self._workers.run(_open_parent, root, path)
            try:
                chunks = produced(
                    self._workers, lambda out: write_path(folder, name, out, as_name=name)
                )
                async for chunk in chunks:
                    yield chunk
            except OSError:
                self._registry.get(container.id)  # it may be gone, and its files with it
                raise
            finally:
                os.close(folder)
        self._registry.get(container.id)
        self._publish(container, "archive-path")

    async def put(
        self,
        text: str,
        path: str,
        stream: AsyncIterator[bytes],
        *,
        keep_directories: bool = False,
        as_user: bool = False,
    ) -> None:
        """Unpack a tar into the directory `path`. `as_user`: all of it becomes the container's
        user's, if it has one.

        Raises NoSuchContainer, NoSuchPath, InvalidArgument (no directory, bad tar) and Denied
        (read-only root file system or volume).
        """
        container = self._registry.get(text)
        _check_writable(container, path)
        async with self._views.open(container) as root:
            facts = await self._workers.run(_stat, root, f"{path}/.", text)
            if not facts.mode & go_mode(stat.S_IFDIR):
                raise InvalidArgument("extraction point is not a directory")
            owner = None
            if as_user and container.config.User:
                user = await self._workers.run(resolve_user, root, container.config.User)
                owner = user.uid, user.gid
            await consumed(
                self._workers,
                stream,
                lambda source: plain_extract(
                    source,
                    root,
                    into=path,
                    owner=owner,
                    keep_directories=keep_directories,
                    refuse_climbing=True,
                ),
            )
        self._publish(container, "extract-to-dir")

    def _publish(self, container: Container, action: str) -> None:
        self._events.publish("container", action, container.id, event_attributes(container))


def _check_writable(container: Container, path: str) -> None:
    """A read-only volume refuses, and so does a read-only root outside of volumes."""
    inside = PurePosixPath(normpath(f"/{path}"))
    for mount in sorted(container.mounts, key=lambda one: -len(one.destination)):
        if inside.is_relative_to(mount.destination):
            if not mount.rw:
                raise Denied("mounted volume is marked read-only")
            return
    if container.host.ReadonlyRootfs:
        raise Denied("container rootfs is marked read-only")


def _stat(root: Path, path: str, container: str) -> PathStat:
    try:
        folder, name = _open_parent(root, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoSuchPath(path, container) from error
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoSuchPath(path, container) from error
    finally:
        os.close(folder)
    target = ""
    if stat.S_ISLNK(found.st_mode):
        target = f"/{resolve_beneath(root, path).relative_to(root)}"
    return PathStat(
        name=PurePosixPath("/" + path).name or "/",
        size=found.st_size,
        mode=go_mode(found.st_mode),
        mtime=gotime.format_ns(found.st_mtime_ns),
        linkTarget=target,
    )


def _open_parent(root: Path, path: str) -> tuple[int, str]:
    """A descriptor of the directory that holds the path, and the name in it.

    `/`, `x/` and `x/.` mean the directory itself: it is opened, and the name is `.`.
    """
    stripped = path.rstrip("/")
    if not stripped or path.endswith("/") or PurePosixPath(path + "x").name == ".x":
        return open_beneath(root, stripped or "/", _DIRECTORY), "."
    parent, _, name = stripped.rpartition("/")
    if name in {".", ".."}:
        return open_beneath(root, stripped, _DIRECTORY), "."
    return open_beneath(root, parent or "/", _DIRECTORY), name
