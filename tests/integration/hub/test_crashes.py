"""kill -9 while clients push: what was acknowledged is there, uploads go on where they stood."""

import hashlib
import json
import os
import signal
import threading

import pytest

pytestmark = pytest.mark.integration

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CHUNK = 256 << 10
CHUNKS = 12


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Pusher(threading.Thread):
    """Pushes images until the hub is gone; knows what the hub has acknowledged."""

    def __init__(self, hub, number: int) -> None:
        super().__init__()
        self._hub = hub
        self.name = f"team/app{number}"
        self.blobs: list[str] = []
        self.tags: dict[str, str] = {}
        self.first = threading.Event()
        self.upload: tuple[str, bytes, int] | None = None  # location, content, acknowledged bytes

    def run(self) -> None:
        turn = 0
        try:
            while True:
                self._push(f"t{turn}")
                turn += 1
                self.first.set()
        except (OSError, ConnectionError):
            self.first.set()

    def _push(self, tag: str) -> None:
        content = os.urandom(CHUNK * CHUNKS)
        location = self._hub.call("POST", f"/v2/{self.name}/blobs/uploads/").headers["Location"]
        self.upload = (location, content, 0)
        for start in range(0, len(content), CHUNK):
            end = start + CHUNK
            answer = self._hub.call(
                "PATCH", location, content[start:end], Content_Range=f"{start}-{end - 1}"
            )
            assert answer.status == 202
            self.upload = (location, content, end)
        digest = digest_of(content)
        answer = self._hub.call("PUT", f"{location}?digest={digest}")
        assert answer.status == 201
        self.upload = None
        self.blobs.append(digest)
        part = {"digest": digest, "size": len(content), "mediaType": "application/x"}
        payload = json.dumps({"schemaVersion": 2, "config": part, "layers": [part]}).encode()
        path = f"/v2/{self.name}/manifests/{tag}"
        assert self._hub.call("PUT", path, payload, Content_Type=MANIFEST).status == 201
        self.tags[tag] = digest_of(payload)


@pytest.mark.timeout(60)
def test_kill_under_push_load(hub):
    for _ in range(2):
        pushers = [Pusher(hub, number) for number in range(4)]
        for pusher in pushers:
            pusher.start()
        for pusher in pushers:
            assert pusher.first.wait(20)
        hub.stop(signal.SIGKILL)
        for pusher in pushers:
            pusher.join(20)
        assert any(pusher.tags for pusher in pushers)
        hub.start()
        for pusher in pushers:
            check_what_was_acknowledged(hub, pusher)
        check_uploads_go_on(hub, pushers)
    said = hub.sampan("gc")
    assert said.stdout.startswith("removed: 0 blobs"), said


def check_what_was_acknowledged(hub, pusher) -> None:
    for digest in pusher.blobs:
        answer = hub.call("GET", f"/v2/{pusher.name}/blobs/{digest}")
        assert (answer.status, digest_of(answer.body)) == (200, digest)
    for tag, digest in pusher.tags.items():
        answer = hub.call("GET", f"/v2/{pusher.name}/manifests/{tag}")
        assert (answer.status, digest_of(answer.body)) == (200, digest)


def check_uploads_go_on(hub, pushers) -> None:
    for pusher in pushers:
        if pusher.upload is None:
            continue
        location, content, acknowledged = pusher.upload
        digest = digest_of(content)
        status = hub.call("GET", location)
        if status.status == 404:  # it was finished, and only the answer was lost
            assert hub.call("HEAD", f"/v2/{pusher.name}/blobs/{digest}").status == 200
            continue
        last = int(status.headers["Range"].partition("-")[2])
        stands = last + 1 if last else 0
        assert stands >= acknowledged
        answer = hub.call(
            "PATCH", location, content[stands:], Content_Range=f"{stands}-{len(content) - 1}"
        )
        assert answer.status == (202 if stands < len(content) else 400)
        assert hub.call("PUT", f"{location}?digest={digest}").status == 201
        assert hub.call("GET", f"/v2/{pusher.name}/blobs/{digest}").body == content
