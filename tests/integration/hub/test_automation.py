"""git push -> build -> image pushed -> webhook, with a private engine; and kill -9 of the hub."""

import hashlib
import hmac
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest

from integration.hub.hubs import SAMPAN, Hub
from integration.hub.receiver import Receiver

pytestmark = pytest.mark.integration
PASSWORD = "ahoy-ahoy-7"
# what a git server does after a push, in one line: the signed call of GitHub
NOTIFY = """
import hashlib, hmac, json, sys, urllib.request
for line in sys.stdin:
    old, new, ref = line.split()
    body = json.dumps({"ref": ref, "before": old, "after": new}).encode()
    sign = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": sign}
    urllib.request.urlopen(urllib.request.Request(URL, body, headers)).read()
"""


def git(folder, *words):
    environment = {
        **os.environ,
        **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")},
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Yard:
    """A hub with alice, her tool's token, and a bare repository that she may push to."""

    def __init__(self, home, *options):
        self.home = home
        self.bare = home / "git" / "app.git"
        self.bare.mkdir(parents=True)
        git(self.bare, "init", "-q", "--bare", "-b", "main")
        self.work = home / "work"
        git(home, "clone", "-q", str(self.bare), str(self.work))
        self.hub = Hub(
            home,
            "--webhook-allow", "127.0.0.1/32", "--git-folder", str(home / "git"),
            "--gc-interval", "0", *options,
        )  # fmt: skip
        self.hub.start()
        added = self._add_user()
        assert added.returncode == 0, added.stderr
        self.token = self.api("POST", "/users/login", username="alice", password=PASSWORD)["token"]
        self.api("POST", "/repositories", namespace="alice", name="app", is_private=True)

    def _add_user(self):
        words = [SAMPAN, "hub", "user", "add", "--password-stdin", "--root", self.hub.root, "alice"]
        return subprocess.run(
            list(map(str, words)), input=PASSWORD, capture_output=True, text=True, check=False
        )

    def api(self, method, path, **body):
        headers = {"Content_Type": "application/json"}
        if hasattr(self, "token"):
            headers["Authorization"] = f"Bearer {self.token}"
        content = json.dumps(body).encode() if body else None
        answer = self.hub.call(method, "/v2" + path, content, **headers)
        assert answer.status < 400, (path, answer.body)
        return json.loads(answer.body) if answer.body else None

    def repository(self, method, tail, **body):
        return self.api(method, "/repositories/alice/app" + tail, **body)

    def notify_after_push(self, source):
        hook = self.bare / "hooks" / "post-receive"
        text = f"SECRET = {source['trigger_secret']!r}\nURL = {source['trigger_url']!r}\n{NOTIFY}"
        (self.home / "notify.py").write_text(text)
        run = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(self.home / 'notify.py'))}"
        hook.write_text(f"#!/bin/sh\n{run}\n")
        hook.chmod(0o755)

    def commit(self, **files):
        for name, text in files.items():
            (self.work / name).write_text(text)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "--allow-empty", "-m", "next")

    def wait_for_build(self, build_id, *states, seconds=25):
        deadline = time.monotonic() + seconds
        while True:
            build = self.repository("GET", f"/builds/{build_id}")
            if build["state"] in states:
                return build
            assert time.monotonic() < deadline, (build, self.log(build_id))
            time.sleep(0.1)

    def log(self, build_id):
        path = f"/v2/repositories/alice/app/builds/{build_id}/log"
        answer = self.hub.call("GET", path, Authorization=f"Bearer {self.token}")
        return answer.body.decode()

    def deliveries(self, name="ci"):
        return self.repository("GET", f"/webhook_pipeline/{name}/deliveries")["results"]

    def hook(self, url, name="ci"):
        return self.repository(
            "POST", "/webhook_pipeline", name=name, webhooks=[{"name": name, "hook_url": url}]
        )

    def push_tag(self, tag):
        """An image without an engine."""
        self.hub.skopeo(
            "copy", "--dest-tls-verify=false", "--dest-creds", f"alice:{PASSWORD}",
            self.image(), f"docker://{self.hub.address}/alice/app:{tag}",
        )  # fmt: skip

    def image(self):
        folder = self.home / "image"
        if not folder.exists():
            (folder / "blobs/sha256").mkdir(parents=True)

            def blob(content):
                digest = hashlib.sha256(content).hexdigest()
                (folder / "blobs/sha256" / digest).write_bytes(content)
                return {"digest": f"sha256:{digest}", "size": len(content)}

            kind = "application/vnd.oci.image."
            config = blob(json.dumps({"os": "linux", "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": []}}).encode())  # fmt: skip
            manifest = blob(json.dumps({"schemaVersion": 2,
                "mediaType": f"{kind}manifest.v1+json",
                "config": {**config, "mediaType": f"{kind}config.v1+json"},
                "layers": []}).encode())  # fmt: skip
            index = {"schemaVersion": 2,
                "manifests": [{**manifest, "mediaType": f"{kind}manifest.v1+json"}]}  # fmt: skip
            (folder / "index.json").write_text(json.dumps(index))
            (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return f"oci:{folder}"


@pytest.fixture
def receiver():
    with Receiver() as found:
        yield found


@pytest.mark.timeout(90)
def test_a_git_push_becomes_an_image_and_a_webhook(tmp_path, engine, receiver):
    yard = Yard(tmp_path, "--builder", engine.host)
    try:
        hook = yard.hook(receiver.url)
        source = yard.repository(
            "PUT",
            "/autobuild",
            source_url=f"file://{yard.bare}",
            envvars={"WORD": "ahoy"},
            build_settings=[
                {"source": "main", "docker_tag": "latest"},
                {"source_type": "tag", "source": r"/^v([0-9.]+)$/", "docker_tag": r"rel-{\1}"},
            ],
        )
        yard.notify_after_push(source)
        dockerfile = "FROM busybox\nARG WORD\nRUN echo said-$WORD > /word\nCOPY . /src\n"
        yard.commit(**{"Dockerfile": dockerfile, "kept": "1", "left.out": "2"})
        yard.commit(**{".dockerignore": "*.out\n"})
        git(yard.work, "push", "-q", "origin", "main")
        (payload,) = receiver.wait_for(1, seconds=40)
        build = yard.wait_for_build(1, "success")
        log = yard.log(1)
        assert build["commit"] == git(yard.work, "rev-parse", "HEAD")
        assert "At commit" in log
        assert "Step 3/4" in log
        assert build["cause"] == "push"
        # the image in the hub is what was built
        tag = yard.repository("GET", "/tags/latest")
        assert tag["digest"] == build["digest"]
        assert tag["last_updater_username"] == "alice"
        name = f"{yard.hub.address}/alice/app"
        shown = engine.docker(
            "run", "--rm", f"{name}:latest", "sh", "-c", "cat /word; ls /src"
        ).stdout
        assert shown.split() == ["said-ahoy", "Dockerfile", "kept"]
        # the webhook, with Docker Hub's payload and our signature
        assert payload["push_data"]["tag"] == "latest"
        assert payload["repository"]["repo_name"] == "alice/app"
        assert payload["repository"]["is_trusted"] is True
        headers, body = receiver.got[0]
        expected = hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Hub-Signature-256"] == f"sha256={expected}"
        # a tag, by the second rule
        git(yard.work, "tag", "v1.2")
        git(yard.work, "push", "-q", "origin", "v1.2")
        assert receiver.wait_for(2, seconds=30)[1]["push_data"]["tag"] == "rel-1.2"
        # a Dockerfile that doesn't build says why, and pushes nothing
        yard.commit(Dockerfile="FROM busybox\nRUN echo because; exit 3\n")
        git(yard.work, "push", "-q", "origin", "main")
        failed = yard.wait_for_build(3, "failed")
        assert "because" in yard.log(3)
        assert "returned a non-zero code: 3" in failed["reason"]
        # one that is under way survives kill -9 of the hub: it begins again
        yard.commit(Dockerfile="FROM busybox\nRUN echo began; sleep 600\n")
        git(yard.work, "push", "-q", "origin", "main")
        yard.wait_for_build(4, "in progress")
        while "began" not in yard.log(4):
            time.sleep(0.1)
        yard.hub.stop(signal.SIGKILL)
        yard.hub.start()
        while yard.repository("GET", "/builds/4")["attempts"] < 2:
            time.sleep(0.1)
        assert "starting again" in yard.log(4)
        # and is cancelled
        yard.repository("POST", "/builds/4/cancel")
        yard.wait_for_build(4, "cancelled")
        assert len(receiver.got) == 2
        assert not list((yard.hub.root / "builds" / "scratch").iterdir())
    finally:
        yard.hub.stop()
        engine.docker("rmi", "-f", *_images(engine, yard.hub.address), check=False)


def _images(engine, address):
    listed = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    return [name for name in listed if name.startswith(address)]


@pytest.mark.timeout(60)
def test_kill_9_loses_no_delivery_and_records_one_success(tmp_path, receiver):
    yard = Yard(tmp_path)
    try:
        yard.hook(receiver.url)
        receiver.stop()
        yard.push_tag("t0")
        yard.hub.stop(signal.SIGKILL)
        yard.hub.start()
        yard.push_tag("t1")
        yard.push_tag("t2")
        deadline = time.monotonic() + 20
        while sum(each["attempts"] > 0 for each in yard.deliveries()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert {each["state"] for each in yard.deliveries()} == {"pending"}
        yard.hub.stop(signal.SIGKILL)
        with closing(sqlite3.connect(yard.hub.root / "hub.db")) as database:
            database.execute("UPDATE webhook_deliveries SET next_try_ns = 1")  # time passes
            database.commit()
        receiver.start()
        yard.hub.start()
        while {each["state"] for each in yard.deliveries()} != {"delivered"}:
            assert time.monotonic() < deadline + 25
            time.sleep(0.2)
        yard.hub.stop(signal.SIGKILL)
        yard.hub.start()
        for each in yard.deliveries():
            path = f"/webhook_pipeline/ci/deliveries/{each['id']}"
            history = yard.repository("GET", path)["history"]
            assert [attempt["status"] for attempt in history].count(200) == 1
            assert history[-1]["status"] == 200
            assert all(attempt["error"] for attempt in history[:-1])
        tags = sorted(json.loads(body)["push_data"]["tag"] for _, body in receiver.got)
        assert tags == ["t0", "t1", "t2"]
        ids = {headers["X-Hub-Delivery"] for headers, _ in receiver.got}
        assert ids == {each["id"] for each in yard.deliveries()}
    finally:
        with suppress(AssertionError):
            yard.hub.stop()
