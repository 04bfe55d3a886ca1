"""System calls that Python 3.11 lacks, through ctypes; every failure is an OSError.

Each function is one system call: it takes the kernel's own arguments, raises OSError (with errno,
the call's name and the path that it was about) and keeps no state. Calls newer than Linux 5.0 have
one number on all architectures and go through `syscall`, so that the C library's age is no matter.
ctypes drops the interpreter lock during a call: all of this is safe from any thread, but `setns`,
`unshare` and everything under them change the *calling thread* only.
"""

import ctypes
import os
import struct

# <linux/mount.h>: mount(2) flags
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_DIRSYNC = 128
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# <linux/mount.h>: the newer mount interface
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
AT_RECURSIVE = 0x8000
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100
AT_FDCWD = -100
MOVE_MOUNT_F_EMPTY_PATH = 4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8

# <linux/openat2.h>
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# <linux/sched.h>
CLONE_FS = 0x200
CLONE_NEWNS = 0x20000
CLONE_NEWNET = 0x40000000

_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_FSOPEN = 430
_NR_FSCONFIG = 431
_NR_FSMOUNT = 432
_NR_OPENAT2 = 437
_NR_MOUNT_SETATTR = 442

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = [
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
]

StrPath = str | os.PathLike[str]


def _raise(name: str, path: StrPath | None = None) -> None:
    number = ctypes.get_errno()
    text = f"{name}: {os.strerror(number)}"
    if path is None:
        raise OSError(number, text)
    raise OSError(number, text, os.fspath(path))


def _syscall(name: str, path: StrPath | None, number: int, *args: int | bytes | None) -> int:
    converted = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result: int = _libc.syscall(ctypes.c_long(number), *converted)
    if result < 0:
        _raise(name, path)
    return result


def mount(source: StrPath, target: StrPath, fstype: str, flags: int = 0, data: str = "") -> None:
    """mount(2). An empty `fstype` or `data` is handed over as NULL."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        fstype.encode() or None,
        flags,
        os.fsencode(data) or None,
    )
    if result < 0:
        _raise("mount", target)


def umount2(target: StrPath, flags: int = 0) -> None:
    if _libc.umount2(os.fsencode(target), flags) < 0:
        _raise("umount2", target)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces (or a working directory) of its own."""
    if _libc.unshare(flags) < 0:
        _raise("unshare")


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace behind `descriptor`."""
    if _libc.setns(descriptor, kind) < 0:
        _raise("setns")


def open_tree(dirfd: int, path: StrPath, flags: int) -> int:
    return _syscall("open_tree", path, _NR_OPEN_TREE, dirfd, os.fsencode(path), flags)


def move_mount(from_fd: int, from_path: str, to_fd: int, to_path: StrPath, flags: int) -> None:
    source, target = os.fsencode(from_path), os.fsencode(to_path)
    _syscall("move_mount", to_path, _NR_MOVE_MOUNT, from_fd, source, to_fd, target, flags)


def fsopen(fstype: str) -> int:
    return _syscall("fsopen", None, _NR_FSOPEN, fstype.encode(), FSOPEN_CLOEXEC)


def fsconfig_string(descriptor: int, key: str, value: str) -> None:
    """Set one parameter; the kernel takes at most 255 bytes of `value`."""
    data = (key.encode(), os.fsencode(value))
    _syscall("fsconfig", value, _NR_FSCONFIG, descriptor, FSCONFIG_SET_STRING, *data, 0)


def fsconfig_flag(descriptor: int, key: str) -> None:
    _syscall("fsconfig", key, _NR_FSCONFIG, descriptor, FSCONFIG_SET_FLAG, key.encode(), None, 0)


def fsconfig_create(descriptor: int) -> None:
    _syscall("fsconfig", None, _NR_FSCONFIG, descriptor, FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(descriptor: int, attributes: int) -> int:
    return _syscall("fsmount", None, _NR_FSMOUNT, descriptor, FSMOUNT_CLOEXEC, attributes)


def mount_setattr(
    dirfd: int, path: StrPath, flags: int, *, set_: int = 0, clear: int = 0, propagation: int = 0
) -> None:
    attributes = struct.pack("=QQQQ", set_, clear, propagation, 0)
    name = os.fsencode(path)
    _syscall("mount_setattr", path, _NR_MOUNT_SETATTR, dirfd, name, flags, attributes, 32)


def openat2(dirfd: int, path: StrPath, flags: int, mode: int, resolve: int) -> int:
    """openat2(2); the descriptor is close-on-exec."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return _syscall("openat2", path, _NR_OPENAT2, dirfd, os.fsencode(path), how, len(how))
