"""The engine's HTTP API over its socket, where a client process per request would be too slow."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Api:
    """Each call is a connection of its own. Raises OSError, HTTPException if the daemon dies."""

    def __init__(self, path: Path, timeout_s: float = 30) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path, self._timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def document(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status < 300, f"{method} {path}: {status}: {answer!r}"
        return json.loads(answer) if answer else None

    def exec(self, container: str, argv: list[str]) -> tuple[bytes, int]:
        """The framed output, and the exit code."""
        asked = {"Cmd": argv, "AttachStdout": True, "AttachStderr": True}
        name = self.document("POST", f"/containers/{container}/exec", asked)["Id"]
        status, output = self.call("POST", f"/exec/{name}/start", {"Detach": False, "Tty": False})
        assert status == 200, f"exec: {status}: {output!r}"
        return output, self.document("GET", f"/exec/{name}/json")["ExitCode"]
