"""Where each millisecond of a command goes, and the least that could be.

Our engine, with its debug log: every request and every step of a start and an end is a `span` line
there (lib/spans.py) with its beginning on the clock that this program reads too. A row is a step:
medians over the rounds of when it began, counted from the typing of the command, and how long it
took. Steps overlap; what no row covers is the client's and the kernel's. The floors, in turn with
the commands, are whole processes:

    docker --version      the client alone: no engine makes it faster
    crun run              the OCI runtime alone, on the same root and config, no network to set up
    clone and exec        the kernel alone: the same namespaces, chroot, and the program
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.bench.engines import own_place, sampan
from integration.bench.turns import seconds
from integration.harness import BUSYBOX, Engine, docker_cli

SPAN = re.compile(r"span what='?(.+?)'? begin_s=([\d.]+) took_ms=([\d.]+)")
IDENTIFIER = re.compile(r"[0-9a-f]{64}")
VERSION = re.compile(r" /v[\d.]+/")
SETTLE_S = 0.15  # the end of a container goes on after the client's

Command = Callable[[], None]


def commands(engine: Engine) -> dict[str, tuple[str, ...]]:
    engine.docker("run", "-d", "--name", "stays", BUSYBOX, "sleep", "100000")
    return {
        "run": ("run", "--rm", BUSYBOX, "true"),
        "run, --network none": ("run", "--rm", "--network", "none", BUSYBOX, "true"),
        "exec": ("exec", "stays", "true"),
    }


class Runtime:
    """crun on a bundle made of a running container's, in namespaces of its own."""

    def __init__(self, engine: Engine) -> None:
        identifier = engine.docker("inspect", "-f", "{{.Id}}", "stays").stdout.strip()
        config = json.loads(
            (engine.home / f"exec/tasks/{identifier}/bundle/config.json").read_text()
        )
        config["process"]["args"] = ["true"]
        config["linux"]["cgroupsPath"] += "-floor"
        for namespace in config["linux"]["namespaces"]:
            namespace.pop("path", None)
        self.root = config["root"]["path"]
        self._bundle = engine.home / "floor"
        self._bundle.mkdir()
        (self._bundle / "config.json").write_text(json.dumps(config))

    def run(self) -> None:
        words = ("crun", "--root", self._bundle / "state", "run", "-b", self._bundle, "floor")
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    def clone(self) -> None:
        options = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork")
        subprocess.run(["unshare", *options, "chroot", self.root, "/bin/true"], check=True)


class Steps:
    """The spans that the daemon logs while a command runs."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._begun: dict[str, list[float]] = {}
        self._took: dict[str, list[float]] = {}

    @contextmanager
    def collected(self) -> Iterator[None]:
        known, begun_s = self._log.stat().st_size, time.perf_counter()
        yield
        time.sleep(SETTLE_S)
        with self._log.open() as lines:
            lines.seek(known)
            for found in SPAN.finditer(lines.read()):
                name = VERSION.sub(" /", IDENTIFIER.sub("ID", found[1]))
                self._begun.setdefault(name, []).append((float(found[2]) - begun_s) * 1000)
                self._took.setdefault(name, []).append(float(found[3]))

    def rows(self) -> Iterator[str]:
        begun = {name: statistics.median(found) for name, found in self._begun.items()}
        for name in sorted(begun, key=lambda name: begun[name]):
            yield f"| {name} | {begun[name]:.1f} | {statistics.median(self._took[name]):.1f} |"


def whole(engine: Engine, words: tuple[str, ...]) -> Command:
    environment = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_CLI_HINTS": "false"}

    def run() -> None:
        subprocess.run(
            [docker_cli(), *words], env=environment, check=True, stdin=subprocess.DEVNULL
        )

    return run


def measure(engine: Engine, rounds: int) -> Iterator[str]:
    docker = {name: whole(engine, words) for name, words in commands(engine).items()}
    runtime = Runtime(engine)
    floors: dict[str, Command] = {
        "crun run": runtime.run,
        "clone and exec": runtime.clone,
        "docker --version": whole(engine, ("--version",)),
    }
    everything = {**docker, **floors}
    times: dict[str, list[float]] = {name: [] for name in everything}
    steps = {name: Steps(engine.log) for name in docker}
    for number in range(-1, rounds):
        for name, command in everything.items():
            watch = steps[name] if name in steps and number >= 0 else Steps(engine.log)
            with watch.collected():
                begun_s = time.perf_counter()
                command()
                if number >= 0:
                    times[name].append(time.perf_counter() - begun_s)
    yield from (f"{name:20} {seconds(took)}" for name, took in times.items())
    for name, found in steps.items():
        yield f"\n| {name} | begins (ms) | takes (ms) |\n|---|---|---|"
        yield from found.rows()


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/run-breakdown", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    own_place()
    with sampan("--log-level", "debug") as engine:
        engine.import_busybox()
        for line in measure(engine, options.rounds):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
