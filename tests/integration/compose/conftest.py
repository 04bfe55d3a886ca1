"""A project in a folder, driven by `sampan compose` and, to compare, by the real Docker Compose."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.harness import ROOT, SAMPAN, Engine

REAL = ROOT / ".cache" / "tools" / "docker-compose"
NAME = "proj"


class ComposeProject:
    """`run` is ours, `real` the other tool's; `spawn` begins a command that stays."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self._spawned: list[subprocess.Popen[str]] = []
        self.environment = {
            **os.environ,
            "DOCKER_HOST": engine.host,
            "DOCKER_BUILDKIT": "0",
            "COMPOSE_PROJECT_NAME": NAME,
        }

    def write(self, text: str, name: str = "compose.yaml") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *words: str, status: int = 0, **more: str) -> "subprocess.CompletedProcess[str]":
        return self._run([str(SAMPAN), "compose", *words], status, more)

    def real(self, *words: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        return self._run([str(REAL), *words], status, {})

    def _run(
        self, argv: list[str], status: int, more: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def spawn(self, *words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [str(SAMPAN), "compose", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        self._spawned.append(process)
        return process

    def end(self) -> None:
        """No process of the test's outlives it."""
        for process in self._spawned:
            process.kill()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", container).stdout)[0]
        return found

    def ids(self) -> list[str]:
        return sorted(self.run("ps", "-aq").stdout.split())


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Iterator[ComposeProject]:
    found = ComposeProject(engine, tmp_path)
    yield found
    found.end()
    found.run("-p", NAME, "down", "-v", "-t", "0", "--remove-orphans")
    label = f"label=com.docker.compose.project={NAME}"
    for kind in ("container", "network", "volume"):
        every = ("-aq",) if kind == "container" else ("-q",)
        assert engine.docker(kind, "ls", *every, "--filter", label).stdout == ""


@pytest.fixture
def lines() -> Callable[["subprocess.Popen[str]", str], list[str]]:
    """Reads a process's output up to the line that contains a text."""

    def read(process: "subprocess.Popen[str]", wanted: str) -> list[str]:
        assert process.stdout is not None
        found: list[str] = []
        for line in process.stdout:
            found.append(line.rstrip("\n"))
            if wanted in line:
                return found
        raise AssertionError(f"{wanted!r} never came: {found}")

    return read
