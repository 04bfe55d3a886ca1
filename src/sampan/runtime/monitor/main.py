"""The monitor: stays with one container from before its start until all is read.

    created --launch--> launching --ok--> running --init exits--> exited --runtime delete--> gone
       |                    '--error--> created
       '--last control connection closes--> quit

It owns the container's stdio, its log and its exit status, calls the OCI runtime, and runs execs.
It depends on nobody: the daemon and the zygote may die and come back. Order at the end: output is
drained into the log, the exit file is durable, the clients are told, the runtime's state and the
cgroup are removed, attached clients get the rest of their output, and the process ends.
Its folder (also its working directory):

    <state>/task.json      what to run, written by the daemon
    <state>/monitor.sock   connections.py
    <state>/running.json   pid, its start tick and start time, for a daemon without a monitor
    <state>/exit.json      exitfile.py
    <state>/monitor.err    traceback of a monitor that failed
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # see loop
import _socket
import os
import time

from sampan.runtime.monitor import exitfile, plainjson
from sampan.runtime.monitor.connections import SOCKET_NAME, Control, Listener, send_line
from sampan.runtime.monitor.execs import Exec, streams_of
from sampan.runtime.monitor.logs import open_log
from sampan.runtime.monitor.loop import Children, Loop
from sampan.runtime.monitor.oci import Runtime
from sampan.runtime.monitor.process import Starter
from sampan.runtime.monitor.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.runtime.monitor.connections import Request

OUTPUT_GRACE_S = 2.0  # a pipe that someone else keeps open is read this long after the exit


def start_tick(pid: int) -> int:
    """Field 22 of /proc/pid/stat: with the pid it names one process for ever."""
    with open(f"/proc/{pid}/stat", "rb") as source:
        return int(source.read().rsplit(b")", 1)[1].split()[19])


class Monitor:
    def __init__(self, task: dict[str, object], control: int, program: int) -> None:
        self.loop = Loop()
        self.children = Children(self.loop)
        self.id = str(task["id"])
        self._bundle = str(task["bundle"])
        self._oom_file = str(task["oom_file"])
        argv = task["runtime"]
        assert isinstance(argv, list)
        self.runtime = Runtime([str(part) for part in argv], self.children, program)
        self._log = open_log(task["log"], self.loop, self.children, self._log_changed)
        self.stdio = Stdio(
            self.loop,
            terminal=bool(task["terminal"]),
            open_stdin=bool(task["open_stdin"]),
            stdin_once=bool(task["stdin_once"]),
            log=self._log,
            spool_dir=str(task["spool_dir"]),
        )
        rows, columns = int(str(task["rows"])), int(str(task["columns"]))
        self.stdio.resize(rows, columns)
        self.stdio.on_change = self._output_changed
        self._state = "created"
        self._pid = 0
        self._started_ns = 0
        self._exit: dict[str, object] | None = None
        self._early_exit: tuple[int, int] | None = None
        self._execs: dict[str, Exec] = {}
        self._controls: list[Control] = []
        self._asking: list[tuple[Control, Request]] = []  # until launching is decided
        self._listener = Listener(self.loop, self._opened)
        self._add_control(_socket.socket(fileno=control))
        self._controls[0].send({"event": "ready"})

    # -- clients

    def _add_control(self, sock: _socket.socket) -> None:
        self._controls.append(
            Control(self.loop, sock, handle=self._handle, closed=self._control_closed)
        )

    def _control_closed(self, control: Control) -> None:
        self._controls.remove(control)
        self._quit_if_done()

    def _opened(self, sock: _socket.socket, request: Request) -> None:
        match request.get("op"):
            case "control":
                self._add_control(sock)
            case "attach":
                outlet = self.stdio.attach(
                    sock, streams=streams_of(request), stdin=bool(request.get("stdin"))
                )
                send_line(sock, {"ok": {}})
                outlet.start()
            case "exec":
                self._exec(sock, request)
            case _:
                sock.close()

    def _tell(self, event: dict[str, object]) -> None:
        for control in list(self._controls):
            control.send(event)

    def _handle(self, control: Control, request: Request) -> None:
        match request.get("op"):
            case "launch":
                self._launch(control, request)
            case "state" if self._state == "launching":
                self._asking.append((control, request))
            case "state":
                control.reply(request, ok=self._facts())
            case "kill":
                self._kill(control, request)
            case "resize":
                self._resize(request)
                control.reply(request, ok={})
            case "pause" | "resume":
                self.runtime.capture(
                    [str(request["op"]), self.id],
                    lambda code, text: self._answer(control, request, code, text),
                )
            case other:
                control.reply(request, error=f"unknown request {other}")

    @staticmethod
    def _answer(control: Control, request: Request, code: int, text: str) -> None:
        if code:
            control.reply(request, error=text or f"status {code}")
        else:
            control.reply(request, ok={})

    def _facts(self) -> dict[str, object]:
        return {
            "state": self._state,
            "pid": self._pid,
            "started_ns": self._started_ns,
            "exit": self._exit,
        }

    def _kill(self, control: Control, request: Request) -> None:
        number = int(str(request["signal"]))
        name = request.get("exec")
        running = self._execs.get(str(name)) if name else None
        pid = running.pid if running else (0 if name else self._pid)
        if not pid or (not name and (self._state != "running" or self._early_exit)):
            control.reply(request, error="process not running")
            return
        try:
            os.kill(pid, number)  # ours and not waited for: the number can't be another's
        except OSError as error:
            control.reply(request, error=str(error.strerror))
        else:
            control.reply(request, ok={})

    def _resize(self, request: Request) -> None:
        name = request.get("exec")
        found = self._execs.get(str(name)) if name else None
        stdio = found.stdio if found else self.stdio
        if not name or found:
            stdio.resize(int(str(request["rows"])), int(str(request["columns"])))

    # -- the container's own process

    def _launch(self, control: Control, request: Request) -> None:
        if self._state != "created":
            control.reply(request, error=f"the task is {self._state}")
            return
        self._state = "launching"
        starter = Starter(self.runtime, self.children, self.stdio, "init")
        moments = [time.monotonic_ns()]  # before and between the calls of the runtime, and after

        def created(error: str | None) -> None:
            if error is not None:
                self._abandon(control, request, "create", error)
                return
            self._pid = starter.pid
            moments.append(time.monotonic_ns())
            self.runtime.capture(["start", self.id], begun)

        def begun(code: int, text: str) -> None:
            if code:
                self._abandon(control, request, "start", text or f"status {code}")
                return
            self._started_ns = time.time_ns()
            self._state = "running"
            self._write_running()
            moments.append(time.monotonic_ns())
            control.reply(request, ok={**self._facts(), "moments_ns": moments})
            self._answer_asking()
            if self._early_exit is not None:
                self._end(*self._early_exit)

        starter.run(
            ["create", "--bundle", self._bundle], [self.id], done=created, exited=self._exited
        )

    def _abandon(self, control: Control, request: Request, step: str, error: str) -> None:
        """Launching failed: leave nothing of the container, then say why."""
        self._state = "failed"

        def deleted(_code: int, _text: str) -> None:
            self.stdio.finish()
            self._state = "gone"
            control.reply(request, error=error, step=step)
            self._answer_asking()
            self._listener.close()
            self._quit_if_done()

        self.runtime.capture(["delete", "--force", self.id], deleted)

    def _answer_asking(self) -> None:
        for control, request in self._asking:
            control.reply(request, ok=self._facts())
        self._asking = []

    def _write_running(self) -> None:
        try:
            tick = start_tick(self._pid)
            record = {"pid": self._pid, "tick": tick, "started_ns": self._started_ns}
            with open("running.json", "w") as out:
                out.write(plainjson.encode(record))
        except OSError:
            return  # it has ended; or no space: it's only for a daemon that finds no monitor

    def _exited(self, code: int) -> None:
        self._early_exit = (code, time.time_ns())
        if self._state == "running":
            self._end(*self._early_exit)

    def _end(self, code: int, exited_ns: int) -> None:
        self._state = "draining"
        self._exit = {"code": code, "exited_ns": exited_ns, "oom_killed": self._oom_killed()}
        if self.stdio.drain():
            self._record()
        else:
            self.loop.later(OUTPUT_GRACE_S, self._record)

    def _oom_killed(self) -> bool:
        try:
            with open(self._oom_file, "rb") as source:
                return any(
                    row.startswith(b"oom_kill ") and row.split()[1] != b"0" for row in source
                )
        except OSError:
            return False

    def _record(self) -> None:
        if self._state != "draining" or self._exit is None:
            return
        self._state = "exited"
        self.stdio.finish()
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            exitfile.write(
                folder,
                int(str(self._exit["code"])),
                int(str(self._exit["exited_ns"])),
                oom_killed=bool(self._exit["oom_killed"]),
            )
        except OSError:
            pass  # no space: a daemon that is there now still learns it
        os.close(folder)
        self._tell({"event": "exit", **self._exit})
        self.runtime.capture(["delete", "--force", self.id], self._deleted)

    def _deleted(self, code: int, text: str) -> None:
        self._state = "gone"
        self._listener.close()
        self._tell({"event": "gone", "error": text if code else ""})
        self._quit_if_done()

    # -- execs

    def _exec(self, sock: _socket.socket, request: Request) -> None:
        name = str(request["id"])
        if self._state != "running" or self._early_exit:
            send_line(sock, {"error": "container is not running"})
            sock.close()
            return
        try:
            Exec(self, name, sock, request)
        except OSError as error:  # no space, too many files: the container isn't to suffer
            send_line(sock, {"error": f"exec: {error.strerror}"})
            sock.close()

    def exec_started(self, name: str, process: Exec) -> None:
        self._execs[name] = process

    def exec_ended(self, name: str, code: int) -> None:
        del self._execs[name]
        self._tell({"event": "exec-exit", "id": name, "code": code})

    # -- the end

    def _output_changed(self) -> None:
        if self._state == "draining" and self.stdio.ended:
            self._record()
        self._quit_if_done()

    def _log_changed(self) -> None:
        self.stdio.log_changed()
        self._quit_if_done()

    def _quit_if_done(self) -> None:
        if self._state == "gone":
            logged = self._log is None or not self._log.pending
            done = logged and not self.stdio.outlets and not self._execs
        else:
            done = self._state == "created" and not self._controls
        if done:
            self.loop.running = False


def main(state: str, control: int, program: int = -1) -> None:
    """Body of a forked monitor; returns when its work is done."""
    os.chdir(state)
    for number in (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM):
        _signal.signal(number, _signal.SIG_IGN)
    try:
        with open("task.json", "rb") as source:
            task = plainjson.decode(source.read())
        Monitor(task, control, program).loop.run()
        os.unlink(SOCKET_NAME)
    except FileNotFoundError:
        return
    except Exception:
        import traceback  # only to leave word of a bug

        with open("monitor.err", "w") as out:
            traceback.print_exc(file=out)
        raise
