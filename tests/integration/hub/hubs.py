"""A hub as a process of its own, that may be killed and started again with the same root."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

SAMPAN = Path(sys.executable).with_name("sampan")
POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


class Hub:
    """`address` stays over restarts."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.root = home / "root"
        self.log = home / "hub.log"
        self._options = options or ("--without-accounts",)
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._policy = home / "policy.json"
        self._policy.write_text(json.dumps(POLICY))

    def start(self) -> None:
        words = [SAMPAN, "hub", "--root", self.root, "--listen", self.address, *self._options]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(list(map(str, words)), stdout=out, stderr=out)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, "the hub doesn't answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError):
            return self.call("GET", "/v2/").status in {200, 401}
        return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        status = self.process.wait(20)
        self.process = None
        return status

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """The answer, read to its end: `body` in it. Header names have underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def sampan(self, *words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`sampan hub WORDS --root ROOT`."""
        return subprocess.run(
            [str(SAMPAN), "hub", *map(str, words), "--root", str(self.root)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=25,
        )

    def skopeo(self, *words: object) -> str:
        done = subprocess.run(
            ["skopeo", "--policy", str(self._policy), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=25,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
