"""One more process in a running container, from its request to its exit.

The client's connection is the process's stdio; nothing is logged. Output that comes before the
answer waits in the outlet. A process that left others behind which keep its pipes open is read
for `OUTPUT_GRACE_S` after its exit, as dockerd does.
"""

from __future__ import annotations

import _socket
import os

from sampan.runtime.monitor.connections import send_line
from sampan.runtime.monitor.process import Starter
from sampan.runtime.monitor.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from sampan.runtime.monitor.connections import Request
    from sampan.runtime.monitor.loop import Children, Loop
    from sampan.runtime.monitor.oci import Runtime

    class Monitor(Protocol):
        """Whose container the process joins; it's told of the start and then of the end."""

        id: str
        loop: Loop
        children: Children
        runtime: Runtime

        def exec_started(self, name: str, process: Exec) -> None: ...
        def exec_ended(self, name: str, code: int) -> None: ...


OUTPUT_GRACE_S = 2.0


def streams_of(request: Request) -> frozenset[int]:
    wanted = (1 if request.get("stdout") else 0, 2 if request.get("stderr") else 0)
    return frozenset(wanted) - {0}


class Exec:
    """One more process in the container, from its request to its exit."""

    _serial = 0

    def __init__(self, monitor: Monitor, name: str, sock: _socket.socket, request: Request) -> None:
        """Raises OSError before the connection is taken over."""
        self.pid = 0
        self._monitor = monitor
        self._name = name
        Exec._serial += 1
        label = f"exec{Exec._serial}"
        self._spec = f"{label}.json"
        with open(self._spec, "w") as out:
            out.write(str(request["process"]))
        self.stdio = Stdio(
            monitor.loop,
            terminal=bool(request.get("terminal")),
            open_stdin=bool(request.get("stdin")),
            stdin_once=True,
            log=None,
            spool_dir=".",
        )
        self._starter = Starter(monitor.runtime, monitor.children, self.stdio, label)
        self.stdio.on_change = self._changed
        self.stdio.resize(int(str(request["rows"])), int(str(request["columns"])))
        self._sock = sock
        self._outlet = self.stdio.attach(
            sock, streams=streams_of(request), stdin=bool(request.get("stdin"))
        )
        self._starter.run(
            ["exec", "--detach", "--process", f"{os.getcwd()}/{self._spec}"],
            [monitor.id],
            done=self._done,
            exited=self._exited,
        )

    def _done(self, error: str | None) -> None:
        os.unlink(self._spec)
        if error is None:
            self.pid = self._starter.pid
            self._monitor.exec_started(self._name, self)
            send_line(self._sock, {"ok": {"pid": self.pid}})
        else:
            send_line(self._sock, {"error": error})
        self._outlet.start()

    def _exited(self, code: int) -> None:
        self.pid = 0
        if self.stdio.drain():
            self.stdio.finish()
        else:
            self._monitor.loop.later(OUTPUT_GRACE_S, self.stdio.finish)
        self._monitor.exec_ended(self._name, code)

    def _changed(self) -> None:
        if self.pid == 0 and self.stdio.ended and not self.stdio.finished:
            self.stdio.finish()
