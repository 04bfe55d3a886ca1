"""A real sshd on a high port of the loopback address, with keys and configuration of its own.

    HOME/host_key, authorized_keys, sshd_config, log

It sees a /run of its own (its program insists on a folder there), so nothing of the machine's own
server is touched, whether there is one or not. Who may sign in is the user that runs the tests.
"""

import getpass
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self


def find_sshd() -> str:
    found = shutil.which("sshd", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/bin")
    assert found, "no sshd: run scripts/setup --tests"
    return found


class Sshd:
    """Use as a context manager; the port stays over restarts."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._allowed = home / "authorized_keys"
        self._allowed.touch(mode=0o600)

    def url(self, path: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def allow(self, key: str) -> None:
        self._allowed.write_text(f"restrict {key}\n" if key else "")

    def start(self) -> None:
        """With a new host key if there is none."""
        key, config = self.home / "host_key", self.home / "sshd_config"
        if not key.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
            subprocess.run(words, check=True)
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": key,
            "AuthorizedKeysFile": self._allowed,
            "AuthenticationMethods": "publickey",
            "PermitRootLogin": "prohibit-password",
            "StrictModes": "no",
            "UsePAM": "no",
            "PidFile": "none",
        }
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        run = shlex.join([find_sshd(), "-D", "-e", "-f", str(config)])
        own_run = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd && exec "
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", own_run + run], stderr=log
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, (self.home / "log").read_text()
            assert time.monotonic() < deadline, "sshd doesn't answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def change_host_key(self) -> None:
        self.stop()
        for name in ("host_key", "host_key.pub"):
            (self.home / name).unlink()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
