"""Calls of the OCI runtime (crun or runc) by a monitor.

Each call is a child process with its own exit callback; nothing here waits. Errors are what the
runtime prints on stderr (its log goes to /dev/null: runc then prints plain text). With a terminal
the runtime connects to a socket of ours and passes the pty's master.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # see loop
import _socket
import _struct
import os

from sampan.runtime.monitor.loop import Children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_DEFAULT_SIGNALS = [
    _signal.SIGHUP,
    _signal.SIGINT,
    _signal.SIGPIPE,
    _signal.SIGTERM,
    _signal.SIGXFSZ,
]


class ConsoleSocket:
    """Where the runtime delivers a terminal. The path is short whatever the state folder's is:
    a socket's name has 108 bytes, and the working directory of a monitor is that folder."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._listener.bind(name)
        self._listener.listen(1)
        self._listener.setblocking(False)
        self.path = f"/proc/{os.getpid()}/cwd/{name}"

    def receive(self) -> int:
        """The master's descriptor, after the runtime has ended; -1 if it sent none."""
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except BlockingIOError:
            return -1
        with_message = _socket.socket(fileno=fd)
        with_message.settimeout(1.0)
        try:
            _, ancillary, _, _ = with_message.recvmsg(4096, _socket.CMSG_SPACE(16))
        except OSError:
            return -1
        finally:
            with_message.close()
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                master = int(_struct.unpack_from("i", data)[0])
                os.set_inheritable(master, False)
                return master
        return -1

    def close(self) -> None:
        self._listener.close()
        try:
            os.unlink(self._name)
        except FileNotFoundError:
            pass


class Runtime:
    """`argv` is the program with the arguments of every call (`--root` included). `program` is
    the descriptor of what is executed (runtime/sealed.py); -1 is the file at argv's path."""

    def __init__(self, argv: list[str], children: Children, program: int = -1) -> None:
        self._argv = [*argv, "--log=/dev/null"]
        self._file = f"/proc/self/fd/{program}" if program >= 0 else argv[0]
        self._children = children

    def call(self, arguments: list[str], fds: tuple[int, ...], done: Callable[[int], None]) -> None:
        """Start a call with `fds` as 0, 1, 2 and give its exit code to `done`."""
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
        try:
            pid = os.posix_spawn(
                self._file,
                [*self._argv, *arguments],
                ENVIRONMENT,
                file_actions=actions,
                setsigdef=_DEFAULT_SIGNALS,
                setsigmask=[],
            )
        except OSError as error:
            if self._file != self._argv[0]:  # memory can't be executed here
                self._file = self._argv[0]
                self.call(arguments, fds, done)
                return
            os.write(fds[2], f"fork/exec {self._argv[0]}: {error.strerror}".encode())
            done(125)
            return
        self._children.expect(pid, done)

    def capture(self, arguments: list[str], done: Callable[[int, str], None]) -> None:
        """A call without input whose stderr is given to `done` too."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)

        def finished(code: int) -> None:
            os.set_blocking(read_end, False)
            try:
                text = os.read(read_end, 4096).decode("utf-8", "replace").strip()
            except BlockingIOError:
                text = ""
            os.close(read_end)
            done(code, text)

        try:
            self.call(arguments, (null, null, write_end), finished)
        finally:
            os.close(null)
            os.close(write_end)
