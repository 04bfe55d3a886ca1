"""A PostgreSQL server of the tests' own: in a directory of its own, on a unix socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path


def find_programs() -> Path | None:
    """The folder of initdb and postgres: Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).resolve().parent if there else None


class Postgresql:
    """Runs as `postgres` or `nobody`: the server refuses to be root's."""

    def __init__(self) -> None:
        self._programs = find_programs()
        self.home = Path(tempfile.mkdtemp(prefix="hub-pg-"))
        names = {entry.pw_name for entry in pwd.getpwall()}
        self._user = "postgres" if "postgres" in names else "nobody"
        self._identity = pwd.getpwnam(self._user)
        os.chown(self.home, self._identity.pw_uid, self._identity.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._run("initdb", "-D", self._data, "-U", "hub", "-A", "trust", "-N", "--locale=C.UTF-8")

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _identified(self) -> dict[str, object]:
        return {"user": self._identity.pw_uid, "group": self._identity.pw_gid, "extra_groups": []}

    def _run(self, program: str, *args: object) -> None:
        words = [str(self._programs / program), *map(str, args)]
        subprocess.run(words, check=True, capture_output=True, cwd="/", **self._identified())

    def start(self) -> None:
        words = [self._programs / "postgres", "-D", self._data, "-k", self.home, "-h", ""]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*map(str, words), "-c", "fsync=off"],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._identified(),
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, (self.home / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "PostgreSQL doesn't answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        words = [self._programs / "pg_isready", "-q", "-h", self.home, "-U", "hub"]
        return subprocess.run([*map(str, words)], cwd="/", check=False).returncode == 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all sessions, as a restart for an upgrade does."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def make_database(self) -> str:
        """The URL of an empty one."""
        self._databases += 1
        name = f"hub{self._databases}"
        self._run("createdb", "-h", self.home, "-U", "hub", "-E", "UTF8", name)
        return f"postgresql://hub@/{name}?host={self.home}"

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self.home)
