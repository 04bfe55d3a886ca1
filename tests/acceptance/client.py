"""A user's client at one engine, which takes command lines as the tutorials write them.

The first word of a line is replaced by the program: `docker ...` by the docker CLI or `sampan`,
`docker-compose ...` by Docker Compose or `sampan compose`. Nothing else is changed but published
ports: where something on this machine has the line's port already, a free one takes its place
(`port(8000)` says which).
"""

import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from integration.harness import ROOT, SAMPAN, docker_cli

LIMIT_S = 240
_PUBLISHED = re.compile(r"(?<=-p )(\d+)(?=:\d+)")


class Client:
    """`program` is docker or sampan; `home` keeps what the user's configuration is."""

    def __init__(self, program: str, host: str, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.name = program
        self.home = home
        own = [str(SAMPAN)]
        compose = [str(ROOT / ".cache" / "tools" / "docker-compose")]
        self._programs = {
            "docker": [docker_cli()] if program == "docker" else own,
            "docker-compose": compose if program == "docker" else [*own, "compose"],
        }
        self._ports: dict[int, int] = {}
        self.environment = {
            **os.environ,
            "DOCKER_HOST": host,
            "DOCKER_CONFIG": str(home),
            "DOCKER_BUILDKIT": "0",  # the docker CLI builds through the engine, without its plugin
            "DOCKER_CLI_HINTS": "false",
            "TERM": "dumb",
        }

    def run(
        self, line: str, *, folder: Path | None = None, stdin: str = "", status: int = 0
    ) -> str:
        """What the command prints, on both streams. Fails unless it ends with `status`."""
        done = subprocess.run(
            self.words(line),
            cwd=folder,
            env=self.environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == status, f"{line}: status {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def on_terminal(
        self, line: str, answers: Mapping[str, str], *, folder: Path | None = None, status: int = 0
    ) -> str:
        """As `run`, on a terminal, where each prompt is answered once when it appears."""
        words = self.words(line)
        process, terminal = pty.fork()
        if process == 0:
            try:
                os.chdir(folder or ".")
                os.execve(words[0], words, self.environment)
            finally:
                os._exit(127)
        shown, waiting = "", dict(answers)
        deadline = time.monotonic() + LIMIT_S
        try:
            while time.monotonic() < deadline:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                try:
                    shown += os.read(terminal, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    break
                for prompt in [prompt for prompt in waiting if prompt in shown]:
                    os.write(terminal, waiting.pop(prompt).encode() + b"\n")
            else:
                os.kill(process, signal.SIGKILL)
        finally:
            os.close(terminal)
            ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert ended == status, f"{line}: status {ended}\n{shown[-6000:]}"
        assert not waiting, f"{line}: never asked for {list(waiting)}\n{shown[-6000:]}"
        return shown

    def words(self, line: str) -> list[str]:
        """The line as an argument list, for what `run` can't do."""
        first, *rest = shlex.split(
            _PUBLISHED.sub(lambda found: str(self._choose(int(found[1]))), line)
        )
        return [*self._programs[first], *rest]

    def port(self, wanted: int) -> int:
        """The port of this machine at which what a line published as `wanted` answers."""
        return self._ports[wanted] if wanted in self._ports else self._choose(wanted)

    def _choose(self, wanted: int) -> int:
        """Anew for each line: others take and leave ports while a story is told."""
        self._ports[wanted] = wanted if _is_free(wanted) else _free_port()
        return self._ports[wanted]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
