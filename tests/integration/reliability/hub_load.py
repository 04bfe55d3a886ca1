"""Many clients push, pull and delete at a hub while collections run one after the other.

    client   a tag of its own in a repository shared by all: blobs found (HEAD), mounted or
             uploaded, manifest put, read back whole; now and then deleted. Between that, somebody
             else's image is pulled.
    gc       `sampan hub gc` with the shortest lease, again and again

All take their blobs from one small pool, so that a blob whose last image has just been deleted is
wanted again by somebody while it is being collected. A push must succeed, and an image that nobody
has deleted must be whole, during the load and after it.
"""

import hashlib
import http.client
import json
import random
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from integration.hub.hubs import Hub
from integration.reliability.outcome import Outcome, descriptors, memory_kib

REPOSITORIES = 8
POOL = 1500
LARGEST = 256 << 10
LEASE = "60s"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def make_pool(seed: int) -> dict[str, bytes]:
    source = random.Random(seed)
    contents = [source.randbytes(source.randrange(1, LARGEST)) for _ in range(POOL)]
    return {digest_of(content): content for content in contents}


class Answer:
    def __init__(self, found: http.client.HTTPResponse) -> None:
        self.status = found.status
        self.headers = found.headers
        self.body = found.read()


class Fault(Exception):
    """Something that must not happen."""


class Images:
    """What is acknowledged and not deleted: (repository, tag) -> (digest, blobs)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[str, list[str]]] = {}

    def put(self, key: tuple[str, str], digest: str, blobs: list[str]) -> None:
        with self._lock:
            self._known[key] = (digest, blobs)

    def drop(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._known.pop(key, None)

    def get(self, key: tuple[str, str]) -> tuple[str, list[str]] | None:
        with self._lock:
            return self._known.get(key)

    def all(self) -> list[tuple[str, str]]:
        with self._lock:
            return list(self._known)


class Client(threading.Thread):
    """One of many; `counts` and `faults` are shared."""

    def __init__(self, load: "Load", number: int) -> None:
        super().__init__(name=f"client {number}")
        self._load = load
        self._number = number
        self._random = random.Random(load.seed * 1000 + number)
        self._connection = http.client.HTTPConnection("127.0.0.1", load.hub.port, timeout=60)

    def run(self) -> None:
        turn = 0
        while not self._load.stop.is_set():
            turn += 1
            try:
                self._turn(turn)
            except Exception as error:  # noqa: BLE001 - each is a finding
                self._load.outcome.faults.append(f"{self.name}, turn {turn}: {error!r}")
                self._connection.close()
        self.close()

    def close(self) -> None:
        self._connection.close()

    def _turn(self, turn: int) -> None:
        chosen = self._random
        key = (f"team/app{chosen.randrange(REPOSITORIES)}", f"c{self._number}-{turn % 2}")
        known = self._load.images.get(key)
        if known is not None and chosen.random() < 0.5:
            self._load.images.drop(key)
            self._expect(202, "DELETE", f"/v2/{key[0]}/manifests/{known[0]}")
            self._load.counts["images deleted"] += 1
        else:
            self._push(key, chosen.sample(sorted(self._load.pool), 3), turn)
        others = self._load.images.all()
        if others:
            self.pull(chosen.choice(others))

    def _push(self, key: tuple[str, str], digests: list[str], turn: int) -> None:
        self._load.images.drop(key)  # the tag moves
        for digest in digests:
            self._bring(key[0], digest)
        parts = [
            {"digest": one, "size": len(self._load.pool[one]), "mediaType": "application/x"}
            for one in digests
        ]
        note = {"turn": f"{self._number} {turn}"}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": parts[0],
            "layers": parts[1:],
            "annotations": note,
        }
        payload = json.dumps(document).encode()
        self._expect(201, "PUT", f"/v2/{key[0]}/manifests/{key[1]}", payload, kind=MANIFEST)
        self._load.images.put(key, digest_of(payload), digests)
        self._load.counts["images pushed"] += 1
        self.pull(key)

    def _bring(self, repository: str, digest: str) -> None:
        if self.ask("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
            self._load.counts["blobs found"] += 1
            return
        source = f"team/app{self._random.randrange(REPOSITORIES)}"
        start = self.ask("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}")
        if start.status == 201:
            self._load.counts["blobs mounted"] += 1
            return
        if start.status != 202:
            raise Fault(f"upload refused: {start.status} {start.body[:200]!r}")
        location = start.headers["Location"]
        location = self._expect(202, "PATCH", location, self._load.pool[digest]).headers["Location"]
        mark = "&" if "?" in location else "?"
        self._expect(201, "PUT", f"{location}{mark}digest={digest}")
        self._load.counts["blobs uploaded"] += 1

    def pull(self, key: tuple[str, str]) -> None:
        """Whole, unless it was deleted or pushed anew meanwhile."""
        known = self._load.images.get(key)
        if known is None:
            return
        try:
            self._pull(key, *known)
            self._load.counts["images pulled"] += 1
        except Fault:
            if self._load.images.get(key) == known:
                raise

    def _pull(self, key: tuple[str, str], digest: str, blobs: list[str]) -> None:
        answer = self.ask("GET", f"/v2/{key[0]}/manifests/{digest}")
        if (answer.status, digest_of(answer.body)) != (200, digest):
            raise Fault(f"manifest of {key}: {answer.status} {answer.body[:200]!r}")
        for blob in blobs:
            answer = self.ask("GET", f"/v2/{key[0]}/blobs/{blob}")
            if (answer.status, digest_of(answer.body)) != (200, blob):
                raise Fault(f"blob {blob} of {key}: {answer.status} {answer.body[:200]!r}")

    def _expect(
        self, status: int, method: str, path: str, body: bytes = b"", kind: str = ""
    ) -> Answer:
        answer = self.ask(method, path, body, kind)
        if answer.status != status:
            raise Fault(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
        return answer

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Answer:
        headers = {"Content-Type": kind or "application/octet-stream"}
        self._connection.request(method, path, body=body, headers=headers)
        return Answer(self._connection.getresponse())


class Load:
    """The clients and what they share."""

    def __init__(self, hub: Hub, outcome: Outcome, seed: int) -> None:
        self.hub = hub
        self.outcome = outcome
        self.seed = seed
        self.pool = make_pool(seed)
        self.images = Images()
        self.counts: Counter[str] = Counter()
        self.stop = threading.Event()

    def run(self, clients: int, seconds: float) -> None:
        threads = [Client(self, number) for number in range(clients)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.collect()
        self.stop.set()
        for thread in threads:
            thread.join(120)
            self.outcome.check(not thread.is_alive(), f"{thread.name} hangs")

    def collect(self) -> None:
        done = self.hub.sampan("gc", "--lease", LEASE)
        self.outcome.check(done.returncode == 0, f"gc: {done.stderr[-300:]}")
        self.counts["collections"] += 1
        with suppress(IndexError, ValueError):
            removed = int(done.stdout.removeprefix("removed:").split()[0])
            self.counts["blobs collected"] += removed

    def check_all(self) -> None:
        """Everything acknowledged is whole when all is quiet."""
        reader = Client(self, -1)
        for key in self.images.all():
            try:
                reader.pull(key)
            except Fault as fault:
                self.outcome.faults.append(f"afterwards: {fault}")
        reader.close()


def hub_load(clients: int, seconds: float, seed: int) -> Outcome:
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="sampan-hub-load-") as home:
        hub = Hub(Path(home), "--without-accounts", "--lease", LEASE, "--gc-interval", "0s")
        hub.start()
        try:
            load = Load(hub, outcome, seed)
            assert hub.process is not None
            load.run(clients, seconds)
            load.collect()
            load.check_all()
            outcome.figures.update(
                {"clients": clients, "seconds": round(seconds), **sorted_counts(load.counts)}
            )
            outcome.figures["hub's memory KiB"] = memory_kib(hub.process.pid)
            outcome.figures["hub's descriptors"] = descriptors(hub.process.pid)
        finally:
            hub.stop()
        text = hub.log.read_text(errors="replace")
        outcome.check("Traceback" not in text, f"the hub's log: {text[-500:]}")
    return outcome


def sorted_counts(counts: Counter[str]) -> dict[str, object]:
    return dict(sorted(counts.items()))
