"""An engine of a few canned answers on a unix socket, and the command line run in-process."""

import io
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest

from sampan.cli.main import main


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    hijack: Callable[[socket.socket, bytes], None] | None = None


class FakeEngine:
    """`on(method, path, ...)` sets an answer; `requests` keeps what came, in order."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self.requests: list[Request] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, method: str, path: str, body: object = b"", status: int = 200, **more) -> None:
        """Answers given for one path are used in order, the last one for ever."""
        self._answers.setdefault((method, path), []).append(Answer(status, body, **more))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            line = file.readline().decode().split(" ")
            if len(line) != 3:
                return
            headers = {}
            while text := file.readline().decode().strip():
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            path, _, query = line[1].partition("?")
            request = Request(
                line[0],
                unquote(path),
                dict(parse_qsl(query, keep_blank_values=True)),
                headers,
                _body(file, headers),
            )
            self.requests.append(request)
            self._reply(connection, request)

    def _reply(self, connection: socket.socket, request: Request) -> None:
        queue = self._answers.get((request.method, request.path))
        if queue is None:
            missing = {"message": f"page not found: {request.method} {request.path}"}
            answer = Answer(404, missing)
        else:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if answer.hijack is not None:
            head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            connection.sendall(head.encode())
            answer.hijack(connection, request.body)
            return
        raw = isinstance(answer.body, bytes)
        body = answer.body if raw else json.dumps(answer.body).encode() + b"\n"
        kind = "text/plain" if raw else "application/json"
        head = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(body)}"]
        head.append(f"Content-Type: {kind}")
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        data = "\r\n".join([*head, "", ""]).encode()
        connection.sendall(data if request.method == "HEAD" else data + body)


def _body(file, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        parts = []
        while size := int(file.readline(), 16):
            parts.append(file.read(size))
            file.readline()
        file.readline()
        return b"".join(parts)
    return file.read(int(headers.get("content-length", 0)))


@dataclass
class Outcome:
    status: int
    out: str
    err: str


class CommandLine:
    """Runs `sampan WORDS` against the fake engine."""

    def __init__(self, engine: FakeEngine, home: Path, capfdbinary, monkeypatch) -> None:
        self._engine = engine
        self._home = home
        self._capture = capfdbinary
        self._monkeypatch = monkeypatch

    def __call__(self, *words: str, stdin: bytes = b"", **environment: str) -> Outcome:
        variables = {
            "DOCKER_HOST": self._engine.address,
            "DOCKER_CONFIG": str(self._home),
            "HOME": str(self._home),
            **environment,
        }
        reader, writer = os.pipe()
        os.write(writer, stdin)
        os.close(writer)
        saved = os.dup(0)
        os.dup2(reader, 0)
        os.close(reader)
        file = io.TextIOWrapper(os.fdopen(os.dup(0), "rb"))
        self._monkeypatch.setattr(sys, "stdin", file)
        self._capture.readouterr()
        try:
            status = main(list(words), variables)
        finally:
            os.dup2(saved, 0)
            os.close(saved)
            file.close()
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = self._capture.readouterr()
        return Outcome(status, out.decode(), err.decode())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    fake = FakeEngine(tmp_path / "engine.sock")
    yield fake
    fake.close()


@pytest.fixture
def sampan(engine: FakeEngine, tmp_path: Path, capfdbinary, monkeypatch) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(engine, home, capfdbinary, monkeypatch)
