"""The durable record of how a container ended.

Written by the monitor (or, when that was killed, by the daemon) before anyone is told, with
fsync of file and folder: a status that someone has seen can't be lost. The first record wins.
"""

from __future__ import annotations

import os

from sampan.runtime.monitor import plainjson

NAME = "exit.json"


def write(folder: int, code: int, exited_ns: int, *, oom_killed: bool) -> None:
    """Record into the folder open as `folder`; does nothing if there is a record."""
    record = {"code": code, "exited_ns": exited_ns, "oom_killed": oom_killed}
    temporary = f".{NAME}.{os.getpid()}"
    fd = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600, dir_fd=folder
    )
    try:
        os.write(fd, plainjson.encode(record).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(temporary, NAME, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        pass
    os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
