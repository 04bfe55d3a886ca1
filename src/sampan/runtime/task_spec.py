"""The words of tasks: what to run, how it ended, why it couldn't start."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.errors import Internal


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Where and how a monitor writes the json-file log."""

    path: Path
    max_size_bytes: int | None = None  # None: never rotated
    max_files: int = 1
    compress: bool = False
    attrs: dict[str, str] = field(default_factory=dict)  # added to every record


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteLog:
    """Where and how a monitor sends lines. `settings` go to the driver's side of the monitor.

    syslog: network (unix, unixgram, udp, tcp, tcp+tls) with paths, or host and port and, for the
    last one, tls {ca, cert, key, verify}; facility (number), format, tag.
    journald: network "journal", paths, fields (of every entry).
    """

    driver: str
    settings: dict[str, Any]
    buffer_bytes: int = 1 << 20  # what waits for the receiver
    drops: bool = False  # beyond that lines are dropped; else the container waits, for a while


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One run of a container. `bundle` holds config.json; `state_dir` is made for the task."""

    id: str
    bundle: Path
    state_dir: Path
    runtime_path: str = "/usr/bin/crun"
    runtime_args: tuple[str, ...] = ()
    terminal: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    console_size: tuple[int, int] = (0, 0)  # rows, columns
    log: LogTarget | RemoteLog | None = None
    cgroup_path: str = ""  # as in the spec's linux.cgroupsPath; empty: no OOM detection
    spool_dir: Path | None = None  # for output that a stalled client hasn't read


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSpec:
    """One more process in a running container; `process` is an OCI process object."""

    id: str
    process: dict[str, Any]
    terminal: bool = False
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class ExitStatus:
    code: int  # 128 + n after signal n
    exited_ns: int
    oom_killed: bool = False


class LaunchFailed(Internal):
    """The OCI runtime couldn't start the process; `exit_code` is what Docker shows for it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
