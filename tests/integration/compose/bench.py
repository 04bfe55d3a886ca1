"""How long `up -d` of a project takes, for each client on each engine, in turn.

    dockerd          the real Docker Compose on Debian's dockerd (in /opt/dockerd, or $DOCKERD_ROOT)
    sampan           the same program on our engine
    sampan compose   our program on our engine

Every round goes through all three, each time in another order; between two measured ones the
project is taken down. Ratios are the medians over the rounds of the times divided by dockerd's (the
first is what Compose's bar is about) and of ours divided by the real program's on our engine.
All of it runs in network and mount namespaces of its own, because dockerd leaves its rules behind.
"""

import argparse
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from integration.bench.engines import dockerd, own_place, sampan
from integration.bench.turns import order, ratio, seconds
from integration.harness import BUSYBOX, ROOT, SAMPAN, busybox_rootfs, docker_cli

REAL = ROOT / ".cache" / "tools" / "docker-compose"


def write_project(folder: Path, services: int) -> None:
    lines = ["name: bench", "services:"]
    for number in range(services):
        lines += [
            f"  s{number}:",
            f"    image: {BUSYBOX}",
            '    command: ["sleep", "1000"]',
            f"    environment: {{NUMBER: '{number}'}}",
        ]
    (folder / "compose.yaml").write_text("\n".join(lines) + "\n")


class Bench:
    def __init__(self, folder: Path, hosts: dict[str, str]) -> None:
        self._folder = folder
        self._hosts = hosts
        self._clients = {
            "dockerd": [str(REAL)],
            "sampan": [str(REAL)],
            "sampan compose": [str(SAMPAN), "compose"],
        }
        self.times: dict[str, list[float]] = {name: [] for name in self._clients}

    def _run(self, name: str, *words: str) -> None:
        host = self._hosts["dockerd" if name == "dockerd" else "sampan"]
        environment = {**os.environ, "DOCKER_HOST": host}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users' interpreters keep bytecode
        done = subprocess.run(
            [*self._clients[name], *words],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def round(self, number: int, *, keep: bool = True) -> None:
        for name in order(list(self._clients), number):
            begun_s = time.perf_counter()
            self._run(name, "up", "-d")
            took_s = time.perf_counter() - begun_s
            if keep:
                self.times[name].append(took_s)
            self._run(name, "down", "-t", "0")

    def report(self) -> str:
        lines = [f"{name:15} {seconds(took)}" for name, took in self.times.items()]
        for one, other in (
            ("sampan", "dockerd"),
            ("sampan compose", "dockerd"),
            ("sampan compose", "sampan"),
        ):
            lines.append(f"{one} / {other}: {ratio(self.times[one], self.times[other])}")
        return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/compose-bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--services", type=int, default=10)
    options = parser.parse_args()
    own_place()
    with ExitStack() as stack:
        project = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_project(project, options.services)
        hosts = {"dockerd": stack.enter_context(dockerd("--bridge=none"))}
        subprocess.run(
            [docker_cli(), "-H", hosts["dockerd"], "import", "-", BUSYBOX],
            input=busybox_rootfs(),
            check=True,
            capture_output=True,
        )
        engine = stack.enter_context(sampan())
        engine.import_busybox()
        hosts["sampan"] = engine.host
        bench = Bench(project, hosts)
        bench.round(0, keep=False)
        for number in range(options.rounds):
            bench.round(number)
        print(bench.report())  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
