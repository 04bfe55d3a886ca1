"""A private daemon in a temporary directory, driven by real clients, and what it leaves behind.

The daemon is the installed program (`sampan daemon`), the clients are the real docker CLI and our
own. Every name that the daemon makes derives from its data root, so engines of several test
sessions never meet.
"""

import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from integration.leftovers import bridges_of, remains, tag_of

ROOT = Path(__file__).parents[2]
SAMPAN = Path(sys.executable).parent / "sampan"
BUSYBOX = "busybox:latest"


def docker_cli() -> str:
    """The docker CLI: the machine's own, or the one that scripts/setup unpacked."""
    found = shutil.which("docker", path=f"{os.environ['PATH']}:{ROOT}/.cache/tools")
    assert found, "no docker CLI: run scripts/setup --tests"
    return found


def busybox_rootfs() -> bytes:
    """A root file system made of Debian's busybox-static, as a tar."""
    binary = next(path for path in map(Path, ("/bin/busybox", "/usr/bin/busybox")) if path.exists())
    applets = subprocess.run(
        [binary, "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    passwd = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    group = "root:x:0:\ndaemon:x:1:\ntty:x:5:\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "usr", "var"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            out.addfile(info)
        for name, body, mode in (
            ("bin/busybox", binary.read_bytes(), 0o755),
            ("etc/passwd", passwd.encode(), 0o644),
            ("etc/group", group.encode(), 0o644),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), mode
            out.addfile(info, io.BytesIO(body))
        for applet in applets:
            if applet != "busybox":
                info = tarfile.TarInfo(f"bin/{applet}")
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                out.addfile(info)
    return buffer.getvalue()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class Engine:
    """One private daemon. `docker` and `sampan` run the clients against it.

    `folder` is where its directory is made, in place of the system's for temporary files.
    """

    def __init__(self, *options: str, folder: Path | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="sampan-test-", dir=folder))
        self.tag = tag_of(self.home / "data")
        self.socket = self.home / "s.sock"
        self.host = f"unix://{self.socket}"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.bridges: set[str] = set()  # of user-defined networks, ever
        self.children: set[int] = set()  # of the daemons, ever
        self.log = self.home / "daemon.log"

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(SAMPAN, "daemon", "--data-root", self.home / "data"),
                    *("--exec-root", self.home / "exec", "--pidfile", self.home / "pid"),
                    *("-H", self.host, "--log-level", "debug", *self.options),
                ],
                stdout=out,
                stderr=out,
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, f"the daemon ended:\n{self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, "the daemon does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(10)
            client.connect(str(self.socket))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(100)
        return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal the daemon and wait for its end; containers go on."""
        assert self.process is not None
        self._note_what_there_is()
        self.process.send_signal(number)
        self.process.wait(20)

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.stop(number)
        self.start()

    def shut(self) -> None:
        """Remove all containers and end the daemon: its bridges, rules and cgroups go with it."""
        assert self.process is not None
        if self.process.poll() is not None:
            self.start()
        names = self.docker("ps", "-aq", "--no-trunc").stdout.split()
        if names:
            self.docker("rm", "-f", "-v", *names, check=False)
        self.stop()

    def destroy(self) -> None:
        """`shut`, and delete its directory."""
        self.shut()
        shutil.rmtree(self.home)

    def leftovers(self) -> list[str]:
        """What exists of this engine in the kernel."""
        return remains(self.home, self.tag, self.bridges, self.children)

    def check_nothing_is_left(self) -> None:
        """After `shut`. The kernel takes down what a dropped namespace held by and by."""
        deadline = time.monotonic() + 5
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left, f"left behind: {left}"

    def _note_what_there_is(self) -> None:
        assert self.process is not None
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):
                self.children |= {int(word) for word in path.read_text().split()}
        self.bridges |= bridges_of(self.tag)

    def docker(
        self,
        *args: str | Path,
        check: bool = True,
        stdin: bytes | str | None = None,
        timeout: float = 60,
    ) -> "subprocess.CompletedProcess[str]":
        return self._run([docker_cli(), *args], check=check, stdin=stdin, timeout=timeout)

    def client(self, *args: str | Path) -> "subprocess.Popen[bytes]":
        """A docker client that runs on, for tests that end it early."""
        return subprocess.Popen(
            [docker_cli(), *args],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def sampan(
        self,
        *args: str | Path,
        check: bool = True,
        stdin: bytes | str | None = None,
        timeout: float = 60,
    ) -> "subprocess.CompletedProcess[str]":
        return self._run([SAMPAN, *args], check=check, stdin=stdin, timeout=timeout)

    def _run(
        self, argv: Sequence[str | Path], *, check: bool, stdin: bytes | str | None, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            argv,
            check=False,
            env=self._environment(),
            input=data if data is not None else b"",
            capture_output=True,
            timeout=timeout,
        )
        found = subprocess.CompletedProcess(
            argv,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}: {found.stderr}"
        return found

    def http(self) -> http.client.HTTPConnection:
        """A connection to the daemon, for requests that no client makes."""
        return UnixConnection(self.socket)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DOCKER_HOST": self.host,
            "DOCKER_BUILDKIT": "0",
            "DOCKER_CLI_HINTS": "false",
            "DOCKER_CONFIG": str(self.home / "client"),
        }

    def import_busybox(self) -> None:
        self.docker("import", "--change", 'CMD ["sh"]', "-", BUSYBOX, stdin=busybox_rootfs())
