"""OCI runtimes: which are configured, which is used, and the few calls that the daemon makes.

Normally only monitors call a runtime. The daemon does it for containers whose monitor was killed,
and to learn versions.
"""

import logging
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import InvalidArgument, Unavailable
from sampan.lib import needs
from sampan.lib.log import fields
from sampan.lib.workers import Workers

CALL_S = 20.0
ALIASES = {"io.containerd.runc.v2": "runc", "io.containerd.runtime.v1.linux": "runc"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OciRuntime:
    """One configured runtime."""

    name: str
    path: str
    args: tuple[str, ...] = ()


class UnknownRuntime(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"unknown or invalid runtime name: {name}")


class Runtimes:
    """The runtimes of one daemon: built-in ones that are installed, and those of its config."""

    def __init__(self, configured: Mapping[str, OciRuntime], *, default: str = "") -> None:
        found = {
            name: OciRuntime(name, path)
            for name in needs.RUNTIME.programs  # the first is preferred
            if (path := shutil.which(name)) is not None
        }
        self._runtimes = {**found, **configured}
        if not self._runtimes:
            raise Unavailable("no OCI runtime found", hint=needs.RUNTIME.hint())
        if default and default not in self._runtimes:
            raise UnknownRuntime(default)
        self.default = default or next(iter(self._runtimes))
        self.note = ""

    def get(self, name: str) -> OciRuntime:
        """By name; the empty name is the default."""
        wanted = ALIASES.get(name, name) or self.default
        try:
            return self._runtimes[wanted]
        except KeyError:
            raise UnknownRuntime(name) from None

    def list(self) -> dict[str, OciRuntime]:
        return dict(self._runtimes)

    def fall_back_from_crun(self, why: str) -> None:
        """crun can't run here: prefer runc if crun is the default, and note it for `info`."""
        if self.default == "crun" and "runc" in self._runtimes:
            self.default = "runc"
            self.note = f"runc is used instead of crun: {why}"
            log.warning(fields("default runtime changed", to="runc", why=why))


class RuntimeProgram:
    """A runtime with the state folder of this daemon."""

    def __init__(self, path: str, args: tuple[str, ...], root: Path, workers: Workers) -> None:
        self.name = Path(path).name
        self.argv = [path, *args, "--root", str(root / self.name)]
        self._workers = workers

    async def delete(self, container_id: str) -> None:
        """Kill and forget a container; nothing happens if there's none."""
        await self._workers.run(self._delete, container_id)

    def _delete(self, container_id: str) -> None:
        done = subprocess.run(
            [*self.argv, "delete", "--force", container_id],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CALL_S,
            check=False,
        )
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip()
            log.info(fields("runtime delete", id=container_id, why=text))


def version(path: str) -> str:
    """The version that the program reports, e.g. "1.8.1"; "" if it doesn't run."""
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CALL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.decode(errors="replace").split()
    return words[2] if len(words) > 2 and words[1] == "version" else ""
