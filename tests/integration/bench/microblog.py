"""How long examples/microblog takes from `docker run` to its first page, on either engine in turn.

The image is built once, by our engine on the stand-in of python:3.6-alpine, and loaded into both
from one file. A round types the README's command to each, asks for `/` until an answer comes, and
follows it to the page of the login: HTTP 200. `processor` is what the application's processes took
until then: two flask commands and gunicorn, the same on both engines.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

from integration.bench.engines import dockerd, own_place, sampan
from integration.bench.turns import order, ratio, seconds
from integration.harness import ROOT, UnixConnection, docker_cli

IMAGE = "microblog:bench"
NAME = "microblog"
PORT = 8000
LIMIT_S = 120
PAUSE_S = 0.025


def build(target: Path) -> None:
    """The image as a file."""
    with sampan() as engine:
        environment = {**os.environ, "DOCKER_HOST": engine.host}
        subprocess.run(
            [ROOT / "scripts/offline-images", "python:3.6-alpine"], env=environment, check=True
        )
        engine.sampan("build", "-q", "-t", IMAGE, ROOT / "examples/microblog", timeout=600)
        engine.sampan("save", "-o", target, IMAGE, timeout=600)


def get(path: str) -> tuple[int, str]:
    """Status and place to go to."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Location", "")
    finally:
        connection.close()


def await_page() -> None:
    deadline = time.monotonic() + LIMIT_S
    path = "/"
    while True:
        try:
            status, place = get(path)
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline, "the site does not come up"
            time.sleep(PAUSE_S)
            continue
        if status == http.client.OK:
            return
        assert status == http.client.FOUND, f"GET {path}: {status}"
        path = place


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the command's typing, and of the container's processes."""

    command_done: float
    first_page: float
    processor: float


class Client:
    def __init__(self, host: str) -> None:
        self._host = host
        self._environment = {**os.environ, "DOCKER_HOST": host, "DOCKER_CLI_HINTS": "false"}

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(
            [docker_cli(), *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def once(self) -> Start:
        begun_s = time.perf_counter()
        self.run("run", "--name", NAME, "-d", "-p", f"{PORT}:5000", "--rm", IMAGE)
        command_s = time.perf_counter() - begun_s
        try:
            await_page()
            page_s = time.perf_counter() - begun_s
            return Start(command_s, page_s, self._processor_s())
        finally:
            self.run("stop", "-t", "2", NAME)
            self._await_end()

    def _await_end(self) -> None:
        while self.run("ps", "-aq", "--filter", f"name=^{NAME}$"):
            time.sleep(PAUSE_S)

    def _processor_s(self) -> float:
        """Of the container, until now."""
        connection = UnixConnection(Path(self._host.removeprefix("unix://")))
        connection.request("GET", f"/v1.41/containers/{NAME}/stats?stream=false&one-shot=true")
        stats = json.load(connection.getresponse())
        connection.close()
        return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


class Bench:
    def __init__(self, clients: dict[str, Client]) -> None:
        self._clients = clients
        self._starts: dict[str, list[Start]] = {name: [] for name in clients}

    def round(self, number: int) -> None:
        for name in order(list(self._clients), number):
            start = self._clients[name].once()
            self._starts[name].append(start)
            sys.stderr.write(f"{name}: {start}\n")

    def report(self) -> Iterator[str]:
        for field in fields(Start):
            times = {
                name: [getattr(start, field.name) for start in starts]
                for name, starts in self._starts.items()
            }
            for name, took in times.items():
                yield f"{field.name:13} {name:8} {seconds(took)}"
            yield f"{field.name:13} ratio    {ratio(times['sampan'], times['dockerd'])}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/microblog-bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with ExitStack() as stack:
        image = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "microblog.tar"
        build(image)
        own_place()
        clients = {
            "dockerd": Client(stack.enter_context(dockerd())),
            "sampan": Client(stack.enter_context(sampan()).host),
        }
        for client in clients.values():
            client.run("load", "-q", "-i", image)
            client.once()
        bench = Bench(clients)
        for number in range(options.rounds):
            bench.round(number)
        for line in bench.report():
            print(line)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
