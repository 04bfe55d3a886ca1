"""Exec on the wire (Engine API v1.51: POST /containers/{id}/exec, /exec/{id}/start, /exec/{id}/json)."""

from typing import ClassVar

from sampan.wire.codec import Count, Wire


class ExecCreate(Wire, frozen=True, kw_only=True):
    AttachStdin: bool = False
    AttachStdout: bool = False
    AttachStderr: bool = False
    ConsoleSize: tuple[Count, Count] | None = None
    DetachKeys: str = ""
    Tty: bool = False
    Env: list[str] | None = None
    Cmd: list[str] | None = None
    Privileged: bool = False
    User: str = ""
    WorkingDir: str = ""


class ExecStart(Wire, frozen=True, kw_only=True):
    Detach: bool = False
    Tty: bool = False
    ConsoleSize: tuple[Count, Count] | None = None


class ExecProcess(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"user", "privileged"})
    arguments: list[str] = []
    entrypoint: str = ""
    privileged: bool = False
    tty: bool = False
    user: str = ""


class ExecInspect(Wire, frozen=True, kw_only=True):
    """`ExitCode` is null while the process runs or never ran."""

    CanRemove: bool = False
    ContainerID: str = ""
    DetachKeys: str = ""
    ExitCode: int | None = None
    ID: str = ""
    OpenStderr: bool = False
    OpenStdin: bool = False
    OpenStdout: bool = False
    Pid: int = 0
    ProcessConfig: ExecProcess
    Running: bool = False
