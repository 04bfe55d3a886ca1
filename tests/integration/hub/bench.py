"""How long a push and a pull of an image take through the hub, as a ratio to docker-registry.

Every round makes new images, so that nothing is known anywhere, and goes through both servers with
the same client, the first of them in turn; pulls are made three times. The ratio is the median over
the pairs of hub/registry.

    skopeo   OCI layout -> server, server -> directory (in memory, if there is room)
    engine   server -> engine (layers extracted), and from the engine, which got it elsewhere
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from isal import igzip

from integration.harness import Engine
from integration.hub.hubs import Hub

sys.path.insert(0, str(Path(__file__).parents[1] / "registry"))
from registry_parts import Server

LAYERS = 5
PULLS = 3
MEMORY = Path("/dev/shm")
OCI = "application/vnd.oci.image"
INSECURE = ("--insecure-policy",)


def make_layout(folder: Path, size_bytes: int) -> None:
    """An OCI layout with the image `1` of gzipped random layers."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def keep(content: bytes, kind: str) -> dict:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {
            "mediaType": f"{OCI}.{kind}",
            "digest": f"sha256:{name}",
            "size": len(content),
        }

    layers, diff_ids = [], []
    for number in range(LAYERS):
        out = BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            info = tarfile.TarInfo(f"file{number}")
            info.size = size_bytes // LAYERS
            archive.addfile(info, BytesIO(os.urandom(info.size)))
        plain = out.getvalue()
        diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
        layers.append(keep(igzip.compress(plain, 1), "layer.v1.tar+gzip"))
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": keep(json.dumps(config).encode(), "config.v1+json"),
        "layers": layers,
    }
    top = keep(json.dumps(manifest).encode(), "manifest.v1+json")
    top["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def skopeo(source: str, target: str) -> None:
    words = ["skopeo", *INSECURE, "copy", "-q"]
    words += ["--src-tls-verify=false"] if source.startswith("docker:") else []
    words += ["--dest-tls-verify=false"] if target.startswith("docker:") else []
    subprocess.run([*words, source, target], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def timed(times: dict[str, list[float]], what: str) -> Iterator[None]:
    os.sync()
    start = time.perf_counter()
    yield
    times.setdefault(what, []).append(time.perf_counter() - start)


def turns(order: list[str]) -> Iterator[str]:
    for number in range(PULLS):
        yield from order if number % 2 else reversed(order)


class Bench:
    def __init__(self, home: Path, size_bytes: int, stack: ExitStack) -> None:
        self._home = home
        self._size_bytes = size_bytes
        self.times: dict[str, list[float]] = {}
        folders = [home / name for name in ("hub", "registry", "source")]
        for folder in folders:
            folder.mkdir()
        hub = Hub(folders[0])
        hub.start()
        stack.callback(hub.stop)
        registry, self._source = Server(folders[1]), Server(folders[2])
        stack.callback(registry.close)
        stack.callback(self._source.close)
        self._servers = {"hub": hub.address, "registry": registry.host}
        self._stack = stack
        room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 * size_bytes
        self._outside = Path(tempfile.mkdtemp(dir=MEMORY)) if room else home
        stack.callback(shutil.rmtree, self._outside, ignore_errors=True)
        self._engine: Engine | None = None

    def round(self, number: int, clients: list[str]) -> None:
        order = list(self._servers) if number % 2 else list(reversed(self._servers))
        for client in clients:
            layout = self._home / "layout"
            make_layout(layout, self._size_bytes)
            run: Callable[[list[str], Path, str], None] = getattr(self, f"_{client}")
            run(order, layout, f"bench/{client}{number}:1")
            shutil.rmtree(layout)

    def _skopeo(self, order: list[str], layout: Path, name: str) -> None:
        for server in order:
            with timed(self.times, f"skopeo push {server}"):
                skopeo(f"oci:{layout}:1", f"docker://{self._servers[server]}/{name}")
        for server in turns(order):
            out = self._outside / "out"
            with timed(self.times, f"skopeo pull {server}"):
                skopeo(f"docker://{self._servers[server]}/{name}", f"dir:{out}")
            shutil.rmtree(out)

    def _engine_of_ours(self) -> Engine:
        if self._engine is None:
            self._engine = Engine()
            self._stack.callback(self._engine.destroy)
            self._engine.start()
        return self._engine

    def _sampan(self, order: list[str], layout: Path, name: str) -> None:
        engine = self._engine_of_ours()
        source = f"{self._source.host}/{name}"
        skopeo(f"oci:{layout}:1", f"docker://{source}")
        engine.docker("pull", "-q", source)
        images = {server: f"{self._servers[server]}/{name}" for server in order}
        for server in order:
            engine.docker("tag", source, images[server])
            with timed(self.times, f"sampan push {server}"):
                engine.docker("push", "-q", images[server])
        engine.docker("rmi", source, *images.values())
        for server in turns(order):
            with timed(self.times, f"sampan pull {server}"):
                engine.docker("pull", "-q", images[server])
            engine.docker("rmi", images[server])

    def report(self, clients: list[str]) -> Iterator[str]:
        yield "| client | what | hub (s) | docker-registry (s) | ratio | spread |"
        yield "|---|---|---|---|---|---|"
        for client in clients:
            for what in ("push", "pull"):
                ours = self.times[f"{client} {what} hub"]
                theirs = self.times[f"{client} {what} registry"]
                ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
                yield (
                    f"| {client} | {what} | {statistics.median(ours):.2f} "
                    f"| {statistics.median(theirs):.2f} | {statistics.median(ratios):.2f} "
                    f"| {min(ratios):.2f}-{max(ratios):.2f} |"
                )


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/hub-bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--clients", nargs="+", default=["skopeo", "sampan"])
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="sampan-hub-bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        bench = Bench(home, given.megabytes * 1_000_000, stack)
        for number in range(given.rounds):
            bench.round(number, given.clients)
            sys.stderr.write(f"round {number + 1} of {given.rounds} done\n")
        for line in bench.report(given.clients):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
