"""A hub in this process, on a thread of its own, and plain HTTP calls to it."""

import asyncio
import hashlib
import http.client
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from sampan.hub.accounts.plans import Plan
from sampan.hub.db import schema
from sampan.hub.db.engine import Database, default_url
from sampan.hub.db.migrations import migrate
from sampan.hub.storage.filesystem import FilesystemDriver
from sampan.hub.v2.access import Access, AllowAll
from sampan.hub.v2.blobs import Blobs
from sampan.hub.v2.calls import Parts
from sampan.hub.v2.gc import Ages, Collector
from sampan.hub.v2.pulls import PullCounts
from sampan.hub.v2.quotas import Quotas
from sampan.hub.v2.routes import Registry
from sampan.hub.v2.serving import BlobSender
from sampan.hub.v2.sweeplock import SweepLock
from sampan.hub.v2.uploads import Uploads
from sampan.lib.workers import Workers

LEASE_S = 3600
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes = field(repr=False)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["errors"][0]["code"]


class RunningRegistry:
    """The registry alone: database, storage, endpoints; access as given."""

    def __init__(
        self, root: Path, *, access: Access | None = None, url: str = "", storage=None, plan=None
    ):
        self._plan = plan or Plan()
        self.root = root
        self.staging = root / "staging"
        self.workers = Workers()
        self.database = Database(url or default_url(root), self.workers)
        migrate(self.database, [schema.PART])
        self.storage = storage or FilesystemDriver(root)
        self.sweep = SweepLock(root / "sweep.lock")
        self._access = access or AllowAll()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.database.close()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.pulls = PullCounts(self.database)
        self.uploads = Uploads(database=self.database, staging=self.staging, workers=self.workers)
        parts = Parts(
            access=self._access,
            database=self.database,
            storage=self.storage,
            workers=self.workers,
            blobs=Blobs(
                database=self.database,
                storage=self.storage,
                sweep=self.sweep,
                workers=self.workers,
                lease_s=LEASE_S,
            ),
            uploads=self.uploads,
            sender=BlobSender(self.storage, self.workers),
            pulls=self.pulls,
            quotas=Quotas(database=self.database, staging=self.staging, plan=self._plan),
            private_by_default=False,
            lease_s=LEASE_S,
        )
        application = web.Application()
        Registry(parts).add_to(application)
        runner = web.AppRunner(application, access_log=None, auto_decompress=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def collector(self, clock_ns, **ages) -> Collector:
        wanted = {"lease_s": LEASE_S, "untagged_s": LEASE_S, "upload_s": LEASE_S} | ages
        return Collector(
            database=self.database,
            storage=self.storage,
            staging=self.staging,
            sweep=self.sweep,
            ages=Ages(**wanted),
            clock_ns=clock_ns,
        )

    def call(self, method: str, path: str, body: bytes | None = None, **headers) -> Answer:
        """Header names are written with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def start(self, name: str = "team/app") -> str:
        return self.call("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]

    def push_blob(self, content: bytes, name: str = "team/app") -> str:
        digest = digest_of(content)
        answer = self.call("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    def push_manifest(self, document: dict, reference: str = "", name: str = "team/app") -> str:
        payload = json.dumps(document).encode()
        digest = digest_of(payload)
        answer = self.call(
            "PUT",
            f"/v2/{name}/manifests/{reference or digest}",
            payload,
            Content_Type=document["mediaType"],
        )
        assert answer.status == 201, (answer, answer.body)
        return digest

    def push_image(self, tag: str = "", layer: bytes = b"layer", name: str = "team/app", **more):
        """Returns the manifest's digest."""
        return self.push_manifest(self.image(layer, name, **more), tag, name)

    def image(self, layer: bytes = b"layer", name: str = "team/app", **more) -> dict:
        """Pushes the blobs, returns the manifest."""
        config = b'{"os":"linux","architecture":"arm64","variant":"v8"}'
        self.push_blob(config, name)
        self.push_blob(layer, name)
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, CONFIG),
            "layers": [descriptor(layer, LAYER)],
            **more,
        }


def descriptor(content: bytes, media_type: str) -> dict:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
