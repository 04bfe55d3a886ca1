"""Secrets and configs of tasks as files, in memory only, each bound into its container read-only.

    <exec-root>/payloads/            a tmpfs of its own, mode 0700
        <task id>/0, 1, 2 ...        in the order of the task's references

The tmpfs is mounted with the first payload and goes when the daemon stops: running containers hold
their files in any case, and one that is still to start gets them again. Nothing of a payload ever
reaches a disk (swap apart).
"""

import base64
import binascii
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import InvalidArgument
from sampan.linux.mounts import Mount, mount_one, mounts_below, unmount
from sampan.swarm.agent.container_spec import PlacedFile, container_of, environment
from sampan.swarm.agent.dependencies import Dependencies
from sampan.swarm.agent.executor import NotYet
from sampan.swarm.agent.templates import GOLANG, Expander
from sampan.swarm.model import Config, Secret, Task
from sampan.wire.services import FileTarget

DEFAULT_MODE = 0o444
SECRETS = "/run/secrets"


class PayloadMissing(NotYet):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} isn't on this node yet")


@dataclass(frozen=True, slots=True)
class Payload:
    """One file of a task. `target` is where its container sees it."""

    target: str
    content: bytes
    uid: int
    gid: int
    mode: int


def payloads(task: Task, dependencies: Dependencies, expander: Expander) -> list[Payload]:
    """Raises PayloadMissing, BadTemplate, InvalidArgument."""
    return _Reading(task, dependencies, expander).all()


class _Reading:
    def __init__(self, task: Task, dependencies: Dependencies, expander: Expander) -> None:
        self._task = task
        self._dependencies = dependencies
        self._expander = expander
        self._container = container_of(task)

    def all(self) -> list[Payload]:
        found = []
        for secret in self._container.Secrets or ():
            if secret.File is not None:
                kept = self._secret(secret.SecretID, secret.SecretName)
                target = _absolute(secret.File.Name, SECRETS)
                found.append(self._payload(kept, secret.File, target, "secret"))
        for config in self._container.Configs or ():
            if config.File is not None:
                text = self._config(config.ConfigID, config.ConfigName)
                target = _absolute(config.File.Name, "/")
                found.append(self._payload(text, config.File, target, "config"))
        return found

    def _payload(self, item: Secret | Config, file: FileTarget, target: str, kind: str) -> Payload:
        return Payload(
            target=target,
            content=self._content(item, kind),
            uid=_number(file.UID, f"{kind} uid"),
            gid=_number(file.GID, f"{kind} gid"),
            mode=file.Mode & 0o7777 if file.Mode else DEFAULT_MODE,
        )

    def _content(self, item: Secret | Config, kind: str) -> bytes:
        data = _decoded(item.spec.Data)
        templating = item.spec.Templating
        if templating is None or not templating.Name:
            return data
        if templating.Name != GOLANG:
            raise InvalidArgument(f"unrecognized template type: {templating.Name}")
        entries = environment(self._task, self._expander) or ()
        env = dict(entry.partition("=")[::2] for entry in entries)
        text = self._expander.payload(
            data.decode("utf-8", "surrogateescape"),
            kind,
            env=env,
            secret=self._secret_at,
            config=self._config_at,
        )
        return text.encode("utf-8", "surrogateescape")

    def _secret(self, identifier: str, name: str) -> Secret:
        if (found := self._dependencies.secret(identifier)) is None:
            raise PayloadMissing("secret", name)
        return found

    def _config(self, identifier: str, name: str) -> Config:
        if (found := self._dependencies.config(identifier)) is None:
            raise PayloadMissing("config", name)
        return found

    def _secret_at(self, target: str) -> str | None:
        for each in self._container.Secrets or ():
            if each.File is not None and each.File.Name == target:
                return _decoded(self._secret(each.SecretID, each.SecretName).spec.Data).decode()
        return None

    def _config_at(self, target: str) -> str | None:
        for each in self._container.Configs or ():
            if each.File is not None and each.File.Name == target:
                return _decoded(self._config(each.ConfigID, each.ConfigName).spec.Data).decode()
        return None


class PayloadFiles:
    """All methods block."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, task_id: str, found: Sequence[Payload]) -> list[PlacedFile]:
        """Idempotent."""
        if not found:
            return []
        self._ensure_mounted()
        folder = self._root / task_id
        folder.mkdir(exist_ok=True)
        return [
            PlacedFile(host_path=_write(folder / str(number), payload), target=payload.target)
            for number, payload in enumerate(found)
        ]

    def remove(self, task_id: str) -> None:
        """Idempotent."""
        shutil.rmtree(self._root / task_id, ignore_errors=True)

    def sweep(self, keep: frozenset[str]) -> None:
        """Remove those of all other tasks."""
        if self._is_mounted():
            for folder in self._root.iterdir():
                if folder.name not in keep:
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """The tmpfs goes; containers that run keep their files, others get them anew."""
        if self._is_mounted():
            unmount(self._root, lazy=True)
            self._root.rmdir()

    def _is_mounted(self) -> bool:
        return os.path.realpath(self._root) in mounts_below(self._root)

    def _ensure_mounted(self) -> None:
        if self._is_mounted():
            return
        self._root.mkdir(parents=True, mode=0o700, exist_ok=True)
        options = ("nosuid", "nodev", "noexec", "mode=0700")
        mount_one(Mount("tmpfs", "tmpfs", options), self._root)


def _write(path: Path, payload: Payload) -> str:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as out:
        out.write(payload.content)
        os.fchown(out.fileno(), payload.uid, payload.gid)
        os.fchmod(out.fileno(), payload.mode)
    return str(path)


def _absolute(name: str, folder: str) -> str:
    return name if name.startswith("/") else f"{folder.rstrip('/')}/{name}"


def _number(text: str, what: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        raise InvalidArgument(f"{what} {text!r} isn't a number") from error


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise InvalidArgument("payload isn't base64") from error
