"""A registry on loopback that serves what a test puts into it, counts, and misbehaves on demand.

Images are made of layer tars. `faults` maps a blob's digest to what happens instead of serving it:
a function that gets the request's handler and the blob. Ranges are honoured if `ranges` says so.
"""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

Fault = Callable[["Handler", bytes], None]


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer_tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class ScriptedRegistry:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}  # by "<name>/<tag or digest>"
        self.faults: dict[str, Fault] = {}
        self.fetched: Counter[str] = Counter()  # requests by digest
        self.sent: Counter[str] = Counter()  # bytes of blobs by digest
        self.ranges = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.registry = self  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, *layers: bytes) -> str:
        """An image of these (uncompressed) layers as <name>:latest; returns its full name."""
        packed = [gzip.compress(layer, 1) for layer in layers]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["true"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._put(config, CONFIG),
            "layers": [self._put(data, LAYER) for data in packed],
        }
        self.put_manifest(name, manifest)
        return f"{self.host}/{name}:latest"

    def put_manifest(self, name: str, manifest: object) -> None:
        body = json.dumps(manifest).encode()
        self.manifests[f"{name}/latest"] = self.manifests[f"{name}/{digest_of(body)}"] = body

    def layers_of(self, name: str) -> list[str]:
        return [one["digest"] for one in json.loads(self.manifests[f"{name}/latest"])["layers"]]

    def _put(self, data: bytes, kind: str) -> dict[str, object]:
        self.blobs[digest_of(data)] = data
        return {"mediaType": kind, "size": len(data), "digest": digest_of(data)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        registry: ScriptedRegistry = self.server.registry  # type: ignore[attr-defined]
        words = self.path.split("?")[0].strip("/").split("/")
        if words == ["v2"]:
            self.answer(b"{}", "application/json")
            return
        name, kind, key = "/".join(words[1:-2]), words[-2], words[-1]
        found = registry.manifests.get(f"{name}/{key}") if kind == "manifests" else None
        if found is not None:
            self.answer(found, MANIFEST)
        elif kind == "blobs" and key in registry.blobs:
            if self.command == "GET":
                registry.fetched[key] += 1
            fault = registry.faults.get(key, Handler.answer)
            fault(self, registry.blobs[key])
        else:
            self.send_error(404)

    def answer(self, body: bytes, kind: str = "application/octet-stream") -> None:
        digest, total = digest_of(body), len(body)
        start = self.wanted_start()
        if start >= total > 0:
            self.send_error(416)
            return
        self.begin(total - start, kind, digest, start=start, total=total)
        if self.command == "GET":
            self.send_part(digest, body[start:])

    def wanted_start(self) -> int:
        """Of the range asked for; 0 if there is none, or ranges are none of ours."""
        given = self.headers.get("Range", "") if self.server.registry.ranges else ""  # type: ignore[attr-defined]
        return int(given.removeprefix("bytes=").rstrip("-") or 0)

    def send_part(self, digest: str, part: bytes) -> None:
        self.wfile.write(part)
        self.wfile.flush()
        self.server.registry.sent[digest] += len(part)  # type: ignore[attr-defined]

    def begin(
        self,
        size: int,
        kind: str = "application/octet-stream",
        digest: str = "",
        *,
        start: int = 0,
        total: int = 0,
    ) -> None:
        """Status and headers, for an answer that is written in pieces."""
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        return
