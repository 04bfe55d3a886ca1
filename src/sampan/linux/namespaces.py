"""Network namespaces held by a bind mount, so that they live without any process in them.

A namespace is named by the path of its mount. The mount is made in the caller's mount namespace:
an OCI runtime can open it, and it survives the daemon. Removing the mount drops the namespace as
soon as nobody else holds it; the kernel then takes its interfaces away in the background.

`entered` moves the *calling thread* and back again; whatever it opens inside (sockets, /proc/sys)
belongs to that namespace for good. Don't await inside it.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sampan.linux import libc
from sampan.linux.mounts import unmount

_OWN = "/proc/thread-self/ns/net"


def open_netns(path: Path) -> int:
    """A descriptor that keeps the namespace alive; the caller closes it."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def is_netns(path: Path) -> bool:
    """Whether `path` is a namespace's mount and not just the file below it."""
    try:
        return os.stat(path).st_dev == os.stat(_OWN).st_dev  # noqa: PTH116 - nsfs is one device
    except FileNotFoundError:
        return False


@contextmanager
def _home() -> Iterator[None]:
    """Bring the calling thread back into the namespace that it has now."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        libc.setns(home, libc.CLONE_NEWNET)
        os.close(home)


@contextmanager
def entered(netns: int) -> Iterator[None]:
    """The calling thread is in the namespace behind the descriptor `netns` until the end."""
    with _home():
        libc.setns(netns, libc.CLONE_NEWNET)
        yield


@contextmanager
def entered_path(path: Path) -> Iterator[None]:
    netns = open_netns(path)
    try:
        with entered(netns):
            yield
    finally:
        os.close(netns)


def create_netns(path: Path, prepare: Callable[[], None]) -> None:
    """Make a namespace, run `prepare` inside it and mount it at `path`: wholly or not at all.

    `path` must not be a mount yet.
    """
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))
    try:
        with _home():
            libc.unshare(libc.CLONE_NEWNET)
            prepare()
            libc.mount(_OWN, path, "", libc.MS_BIND)
    except BaseException:
        remove_netns(path)
        raise


def remove_netns(path: Path) -> None:
    """Drop the mount and its file; not there is fine."""
    unmount(path, lazy=True)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno != errno.EBUSY:  # mounted twice: a start that was cut short
            raise
        unmount(path, lazy=True)
        with suppress(FileNotFoundError):
            path.unlink()
