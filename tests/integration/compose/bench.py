"""How long `up -d` of a project takes, for each client on each engine, in turn.

    dockerd          the real Docker Compose on Debian's dockerd (in /opt/dockerd, or $DOCKERD_ROOT)
    sampan           the same program on our engine
    sampan compose   our program on our engine

Every round goes through all three, each time in another order; between two measured ones the
project is taken down. Ratios are the medians over the rounds of the times divided by dockerd's (the
first is what Compose's bar is about) and of ours divided by the real program's on our engine.
dockerd runs in network and mount namespaces of its own, because it leaves its rules behind.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from integration.harness import BUSYBOX, ROOT, SAMPAN, Engine, busybox_rootfs, docker_cli

REAL = ROOT / ".cache" / "tools" / "docker-compose"
DOCKERD = Path(os.environ.get("DOCKERD_ROOT", "/opt/dockerd"))
WAIT_S = 30


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


@contextmanager
def dockerd(home: Path) -> Iterator[str]:
    """The address of a real daemon, which ends with the context."""
    host = f"unix://{home}/docker.sock"
    places = f"{DOCKERD}/usr/sbin:{DOCKERD}/usr/bin"
    daemon = (
        f"ip link set lo up; exec dockerd --data-root {home}/data --exec-root {home}/exec "
        f"-p {home}/pid -H {host} --iptables=true --bridge=none"
    )
    with (home / "log").open("wb") as out:
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", daemon],
            env={**os.environ, "PATH": f"{places}:{os.environ['PATH']}"},
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + WAIT_S
        while subprocess.run(
            [docker_cli(), "-H", host, "version"], check=False, capture_output=True
        ).returncode:
            assert process.poll() is None, (home / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "dockerd does not answer"
            time.sleep(0.2)
        yield host
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)


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
        names = list(self._clients)
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            begun_s = time.perf_counter()
            self._run(name, "up", "-d")
            took_s = time.perf_counter() - begun_s
            if keep:
                self.times[name].append(took_s)
            self._run(name, "down", "-t", "0")

    def report(self) -> str:
        lines = [
            f"{name:15} {statistics.median(took):.3f} s ({min(took):.3f}-{max(took):.3f})"
            for name, took in self.times.items()
        ]
        for one, other in (
            ("sampan", "dockerd"),
            ("sampan compose", "dockerd"),
            ("sampan compose", "sampan"),
        ):
            ratios = [a / b for a, b in zip(self.times[one], self.times[other], strict=True)]
            median, low, high = statistics.median(ratios), min(ratios), max(ratios)
            lines.append(f"{one} / {other}: {median:.2f} ({low:.2f}-{high:.2f})")
        return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/compose-bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--services", type=int, default=10)
    options = parser.parse_args()
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="sampan-compose-bench-"))
        stack.callback(shutil.rmtree, home)
        project, real = home / "project", home / "dockerd"
        project.mkdir()
        real.mkdir()
        write_project(project, options.services)
        hosts = {"dockerd": stack.enter_context(dockerd(real))}
        subprocess.run(
            [docker_cli(), "-H", hosts["dockerd"], "import", "-", BUSYBOX],
            input=busybox_rootfs(),
            check=True,
            capture_output=True,
        )
        engine = Engine("--log-level", "info")
        stack.callback(engine.destroy)
        engine.start()
        engine.import_busybox()
        hosts["sampan"] = engine.host
        bench = Bench(project, hosts)
        bench.round(0, keep=False)
        for number in range(options.rounds):
            bench.round(number)
        print(bench.report())  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
