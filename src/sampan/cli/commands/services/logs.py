"""`service logs`: of all tasks of a service, or of one task, each line with its task's name."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.commands.services.ps import Resolver, task_name
from sampan.cli.commands.services.verbs import path
from sampan.cli.flags import Flag
from sampan.cli.human import SHORT_ID
from sampan.cli.streams import HEADER_SIZE, STDERR, SYSTEM_ERROR
from sampan.client.errors import EngineError
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

LABEL = "com.docker.swarm"


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Whole (stream, record) pairs."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= HEADER_SIZE:
            end = HEADER_SIZE + int.from_bytes(held[4:8], "big")
            if len(held) < end:
                break
            yield held[0], bytes(held[HEADER_SIZE:end])
            del held[:end]


class Names:
    """What stands before a record: `web.1.x1y2z3@host`."""

    def __init__(self, context: Context, flags: Flags) -> None:
        self._client = context.client
        self._flags = flags
        self._resolver = Resolver(context.client, resolves=not flags.on("no-resolve"))
        self._tasks: dict[str, str] = {}
        self.width = 0

    def text(self, details: dict[str, str]) -> str:
        task = details.pop(f"{LABEL}.task.id")
        details.pop(f"{LABEL}.service.id", None)
        node = self._resolver.node(details.pop(f"{LABEL}.node.id"))
        if task not in self._tasks:
            self._tasks[task] = self._name(task)
        text = f"{self._tasks[task]}@{node}"
        self.width = max(self.width, len(text))
        return text.ljust(self.width)

    def _name(self, identifier: str) -> str:
        short = identifier if self._flags.on("no-trunc") else identifier[:SHORT_ID]
        try:
            task = self._client.get(f"/tasks/{quote(identifier)}")
        except EngineError:
            return short
        name = task_name(task, self._resolver)
        return name if self._flags.on("no-task-ids") else f"{name}.{short}"


def _details(text: str) -> dict[str, str]:
    from urllib.parse import unquote_plus

    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {unquote_plus(key): unquote_plus(value) for key, _, value in pairs}


def _line(record: bytes, names: Names, flags: Flags) -> bytes:
    """The record with its task's name in front; details and time where they were asked for."""
    parts = record.split(b" ", 2 if flags.on("timestamps") else 1)
    details = _details(parts[-2].decode("utf-8", "replace"))
    if f"{LABEL}.task.id" not in details:
        raise Exit(1, "invalid context in log message")
    head = names.text(details) + "    | "
    if flags.on("timestamps"):
        head = f"{parts[0].decode()} {head}"
    if flags.on("details"):
        head += ",".join(f"{key}={value}" for key, value in sorted(details.items())) + " "
    return head.encode("utf-8", "surrogateescape") + parts[-1]


def _target(context: Context, name: str) -> tuple[str, dict[str, Any]]:
    """Where the logs are, and the spec of the container."""
    try:
        service = context.client.get(path(name), [("insertDefaults", "false")])
    except EngineError as error:
        if error.status != 404:
            raise
    else:
        container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
        return path(name, "/logs"), container
    try:
        task = context.client.get(f"/tasks/{quote(name)}")
    except EngineError as error:
        if error.status != 404:
            raise
        raise Exit(1, f"no such task or service: {name}") from error
    return f"/tasks/{quote(name)}/logs", task["Spec"].get("ContainerSpec") or {}


def run(context: Context, flags: Flags, words: list[str]) -> int:
    from sampan.cli.commands.system.events import moment_text

    target, container = _target(context, words[0])
    is_raw = flags.on("raw") or bool(container.get("TTY"))
    if container.get("TTY") and not flags.on("raw"):
        raise Exit(
            1,
            "tty service logs only supported with --raw",
        )
    query = [(name, "1") for name in ("follow", "timestamps") if flags.on(name)]
    query += [("details", "1")] if not is_raw or flags.on("details") else []
    query += [("stderr", "1"), ("stdout", "1"), ("tail", flags.text("tail"))]
    if flags.text("since"):
        query.append(("since", moment_text(flags.text("since"))))
    chunks = context.client.call("GET", target, query=query).chunks()
    if container.get("TTY"):
        for chunk in chunks:
            _write(sys.stdout, chunk)
        return 0
    names = Names(context, flags)
    for stream, record in frames(chunks):
        if stream == SYSTEM_ERROR:
            raise Exit(1, record.decode("utf-8", "replace").strip())
        line = record if is_raw else _line(record, names, flags)
        _write(sys.stderr if stream == STDERR else sys.stdout, line)
    return 0


def _write(out: Any, data: bytes) -> None:
    out.buffer.write(data)
    out.buffer.flush()


LOGS = Command(
    run,
    "[OPTIONS] SERVICE|TASK",
    flags=(
        Flag("details", "", "bool", "Show extra details provided to logs"),
        Flag("follow", "f", "bool", "Follow log output"),
        Flag("no-resolve", "", "bool", "Do not map IDs to Names in output"),
        Flag("no-task-ids", "", "bool", "Do not include task IDs in output"),
        Flag("no-trunc", "", "bool", "Do not truncate output"),
        Flag("raw", "", "bool", "Do not neatly format logs"),
        Flag("since", "", "string", "Show logs since a timestamp or a duration ago (42m)"),
        Flag("tail", "n", "string", "Lines to show from the end of the logs", default="all"),
        Flag("timestamps", "t", "bool", "Show timestamps"),
    ),
    least=1,
    most=1,
)
