"""git push -> build -> image pushed -> webhook, with a private engine; and kill -9 of the hub."""

import hashlib
import hmac
import json
import signal
import sqlite3
import time
from contextlib import closing, suppress

import pytest

from integration.hub.receiver import Receiver
from integration.hub.yard import Yard, git

pytestmark = pytest.mark.integration


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
