"""Bringing a process up through the OCI runtime: the container's first one, or an exec.

A `Starter` runs one runtime call (`create` or `exec --detach`) with the process's own stdio,
collects the pid it leaves behind and, for a terminal, the pty. Its outcome is given to `done`
exactly once: an error text, or None with `pid` set; then, later, the exit code to `exited`.
"""

from __future__ import annotations

import os

from sampan.runtime.monitor.loop import Children
from sampan.runtime.monitor.oci import ConsoleSocket, Runtime
from sampan.runtime.monitor.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Starter:
    def __init__(self, runtime: Runtime, children: Children, stdio: Stdio, name: str) -> None:
        self.pid = 0
        self.stdio = stdio
        self._runtime = runtime
        self._children = children
        self._pid_file = f"{name}.pid"
        self._console = ConsoleSocket(f"{name}.sock") if stdio.terminal else None

    def run(
        self,
        verb: list[str],
        operands: list[str],
        *,
        done: Callable[[str | None], None],
        exited: Callable[[int], None],
    ) -> None:
        """Call `runtime <verb> <our options> <operands>`."""
        options = ["--pid-file", os.path.abspath(self._pid_file)]
        if self._console is not None:
            options += ["--console-socket", self._console.path]

        def finished(code: int) -> None:
            error = self._finish(code)
            done(error)
            if error is None:
                self._children.expect(self.pid, exited)
            self._children.launching(-1)

        self._children.launching(+1)
        self._runtime.call([*verb, *options, *operands], self.stdio.child_ends, finished)

    def _finish(self, code: int) -> str | None:
        master = -1
        if self._console is not None:
            master = self._console.receive()
            self._console.close()
        pid = self._read_pid()
        if code == 0 and pid and (master >= 0 or self._console is None):
            self.pid = pid
            self.stdio.started(master)
            return None
        if master >= 0:
            os.close(master)
        return self.stdio.failed() or f"the OCI runtime ended with status {code}"

    def _read_pid(self) -> int:
        try:
            with open(self._pid_file, "rb") as source:
                text = source.read()
            os.unlink(self._pid_file)
        except FileNotFoundError:
            return 0
        return int(text or b"0")
