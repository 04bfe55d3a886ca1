"""The log that a monitor was told to write, by its settings in task.json."""

from __future__ import annotations

from sampan.runtime.monitor.logfile import LogFile
from sampan.runtime.monitor.loop import Children, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.runtime.monitor.remote import RemoteLog

    Log = LogFile | RemoteLog


def open_log(
    settings: object, loop: Loop, children: Children, changed: Callable[[], object]
) -> Log | None:
    if not isinstance(settings, dict):
        return None
    if "driver" in settings:
        return _remote(settings, loop, changed)
    return LogFile(
        str(settings["path"]),
        max_size_bytes=int(str(settings["max_size_bytes"])),
        max_files=int(str(settings["max_files"])),
        compress=bool(settings["compress"]),
        attrs=str(settings["attrs"]),
        expect=children.expect,
    )


def _remote(settings: dict[str, object], loop: Loop, changed: Callable[[], object]) -> RemoteLog:
    """Imported here: most monitors write a file, and share the memory of what is always there."""
    from sampan.runtime.monitor.journald import Journal
    from sampan.runtime.monitor.remote import RemoteLog
    from sampan.runtime.monitor.syslog import Syslog

    encoder = Journal(settings) if settings["driver"] == "journald" else Syslog(settings)
    return RemoteLog(loop, settings, encoder, changed)
