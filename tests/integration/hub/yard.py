"""A hub with one user, her tool's token, and a bare git repository beside it that she may push to.

git push --> bare repository --(post-receive: the signed call of GitHub)--> hub --> builds
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time

from integration.hub.hubs import Hub

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
    """`account` has the private repository `account`/`name`, and PASSWORD."""

    def __init__(self, home, *options, account="alice", name="app"):
        self.home = home
        self.account = account
        self.repository_name = f"{account}/{name}"
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
        added = self.hub.sampan("user", "add", "--password-stdin", account, stdin=PASSWORD)
        assert added.returncode == 0, added.stderr
        self.token = self.api("POST", "/users/login", username=account, password=PASSWORD)["token"]
        self.api("POST", "/repositories", namespace=account, name=name, is_private=True)

    def api(self, method, path, **body):
        headers = {"Content_Type": "application/json"}
        if hasattr(self, "token"):
            headers["Authorization"] = f"Bearer {self.token}"
        content = json.dumps(body).encode() if body else None
        answer = self.hub.call(method, "/v2" + path, content, **headers)
        assert answer.status < 400, (path, answer.body)
        return json.loads(answer.body) if answer.body else None

    def repository(self, method, tail, **body):
        return self.api(method, f"/repositories/{self.repository_name}{tail}", **body)

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
        path = f"/v2/repositories/{self.repository_name}/builds/{build_id}/log"
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
            "copy", "--dest-tls-verify=false", "--dest-creds", f"{self.account}:{PASSWORD}",
            self.image(), f"docker://{self.hub.address}/{self.repository_name}:{tag}",
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
