"""Accounts from outside: the docker CLI with our engine, skopeo, a browser, the command line."""

import json
import subprocess
import time

import pytest

from integration.harness import BUSYBOX, Engine, docker_cli
from integration.hub.browser import Browser, find_chromium
from integration.hub.hubs import SAMPAN, Hub

PASSWORD = "ahoy-ahoy-7"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """A hub with accounts; users are made while it runs."""
    found = Hub(tmp_path_factory.mktemp("hub"), "--log-level", "info")
    try:
        found.start()
        for words in ("--admin harbour-master", "alice", "bob"):
            more = ("--password-stdin", *words.split())
            made = _hub(found, "user", "add", *more, stdin=PASSWORD + "\n")
            assert made.returncode == 0, made.stderr
        yield found
    finally:
        found.stop()


def _hub(hub: Hub, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SAMPAN), "hub", *words[:2], "--root", str(hub.root), *words[2:]],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=25,
    )


@pytest.mark.timeout(90)
def test_users_and_organisations_by_command(port):
    listed = _hub(port, "user", "list").stdout.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["alice", "bob", "harbour-master"]
    assert listed[2].endswith("admin")
    again = _hub(port, "user", "add", "--password-stdin", "bob", stdin=PASSWORD)
    assert (again.returncode, again.stderr) == (1, "the name bob is taken\n")
    weak = _hub(port, "user", "add", "--password-stdin", "carol", stdin="short\n")
    assert "at least 8 characters" in weak.stderr
    assert _hub(port, "user", "add", "carol").returncode == 125, "no terminal, no --password-stdin"
    assert _hub(port, "org", "add", "--owner", "alice", "yard").stdout == "yard\n"
    assert _hub(port, "org", "member", "--role", "editor", "yard", "bob").returncode == 0
    assert _hub(port, "org", "list").stdout == "yard\talice=owner,bob=editor\n"
    last = _hub(port, "org", "member", "--role", "none", "yard", "alice")
    assert "last owner" in last.stderr
    assert _hub(port, "user", "remove", "alice").returncode == 1
    assert _hub(port, "org", "remove", "yard").returncode == 0
    changed = _hub(port, "user", "passwd", "--password-stdin", "bob", stdin="other-Pass-9\n")
    assert changed.returncode == 0
    assert port.call("POST", "/v2/users/login", _login("bob", PASSWORD)).status == 401
    assert port.call("POST", "/v2/users/login", _login("bob", "other-Pass-9")).status == 200
    assert _hub(port, "user", "remove", "bob").returncode == 0
    _hub(port, "user", "add", "--password-stdin", "bob", stdin=PASSWORD)


def _login(name: str, password: str) -> bytes:
    return json.dumps({"username": name, "password": password}).encode()


def test_skopeo_with_credentials(port, tmp_path):
    from integration.harness import busybox_rootfs

    layout = tmp_path / "image"
    _make_layout(layout, busybox_rootfs())
    target = f"docker://{port.address}/alice/by-skopeo:v1"
    port.skopeo("copy", "--dest-tls-verify=false", "--dest-creds", f"alice:{PASSWORD}",
                f"oci:{layout}:v1", target)  # fmt: skip
    found = json.loads(
        port.skopeo("inspect", "--tls-verify=false", "--creds", f"bob:{PASSWORD}", target)
    )
    assert len(found["Layers"]) == 1
    refused = subprocess.run(
        ["skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", f"bob:{PASSWORD}",
         f"oci:{layout}:v1", target],
        capture_output=True, text=True, check=False, timeout=25,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "denied" in refused.stderr or "unauthorized" in refused.stderr


def _make_layout(home, layer: bytes) -> None:
    """An OCI layout with one image of one layer."""
    import hashlib

    (home / "blobs/sha256").mkdir(parents=True)

    def put(content: bytes, kind: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (home / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    oci = "application/vnd.oci.image"
    diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = {"os": "linux", "architecture": "amd64",
              "rootfs": {"type": "layers", "diff_ids": [diff_id]}}  # fmt: skip
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": put(json.dumps(config).encode(), f"{oci}.config.v1+json"),
        "layers": [put(layer, f"{oci}.layer.v1.tar")],
    }
    entry = put(json.dumps(manifest).encode(), f"{oci}.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (home / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (home / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@pytest.mark.integration
@pytest.mark.timeout(90)
def test_the_tutorial_s_steps_with_docker(port, tmp_path):
    """login, tag, push, a private repository, pull by another, search, logout."""
    engine = Engine()
    try:
        engine.start()
        engine.import_busybox()

        def docker(*words: str, stdin: str = "", home: str = "alice"):
            return subprocess.run(
                [docker_cli(), "--config", str(tmp_path / home), "-H", engine.host, *words],
                input=stdin, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip

        hub = port.address
        wrong = docker("login", hub, "-u", "alice", "--password-stdin", stdin="wrong-one")
        refusal = f'Get "http://{hub}/v2/": unauthorized: incorrect username or password'
        assert refusal in wrong.stderr
        image = f"{hub}/alice/boat:1.0"
        docker("tag", BUSYBOX, image)
        assert "denied: requested access to the resource is denied" in docker("push", image).stderr
        right = docker("login", hub, "-u", "alice", "--password-stdin", stdin=PASSWORD)
        assert "Login Succeeded" in right.stdout
        pushed = docker("push", image)
        assert "1.0: digest: sha256:" in pushed.stdout, pushed.stderr
        again = f"{hub}/alice/dinghy"
        docker("tag", BUSYBOX, again)
        assert "Mounted from alice/boat" in docker("push", again).stdout

        path = "/v2/repositories/alice/boat"
        token = json.loads(port.call("POST", "/v2/users/login", _login("alice", PASSWORD)).body)
        header = {"Authorization": "JWT " + token["token"]}
        body = json.dumps({"description": "A small boat"}).encode()
        assert port.call("PATCH", path, body, **header).status == 200
        assert "A small boat" in docker("search", f"{hub}/boat", home="bob").stdout
        private = port.call("PATCH", path + "/privacy/", b'{"is_private": true}', **header)
        assert private.status == 200

        docker("rmi", image)
        docker("login", hub, "-u", "bob", "--password-stdin", stdin=PASSWORD, home="bob")
        for home in ("bob", "nobody"):
            hidden = docker("pull", image, home=home).stderr
            assert f"pull access denied for {hub}/alice/boat, repository does not exist" in hidden
            assert "boat" not in docker("search", f"{hub}/boat", home=home).stdout
        assert docker("pull", image).returncode == 0
        assert "Removing login credentials" in docker("logout", hub).stdout
        docker("rmi", image)
        assert "pull access denied" in docker("pull", image).stderr
        assert docker("pull", again).returncode == 0, "public images need no login"
        ours = engine.sampan("pull", again)
        assert ours.returncode == 0
    finally:
        engine.destroy()


@pytest.mark.timeout(90)
def test_in_a_browser_without_javascript(port):
    if find_chromium() is None:
        pytest.skip("Chromium isn't installed")
    home = f"http://{port.address}"
    with Browser() as browser:
        browser.look()
        browser.open(home)
        assert "Your images" in browser.text()
        browser.open(home + "/signup")
        name = f"gwen{int(time.time()) % 10000}"
        browser.submit("main form", name=name, password=PASSWORD)
        assert "Welcome aboard" in browser.text()
        browser.open(home + "/new")
        browser.submit("main form", name="chart", description="Sea charts")
        assert "Sea charts" in browser.text()
        assert f"docker push {port.address}/{name}/chart" in browser.text()
        for path in ("/", "/explore", f"/r/{name}/chart/settings", "/settings", "/settings/tokens"):
            for width in (1280, 390):
                for dark in (False, True):
                    browser.look(width=width, dark=dark)
                    browser.open(home + path)
                    assert browser.complaints() == [], path
                    page = browser.evaluate("document.documentElement.scrollWidth")
                    assert page <= width, f"{path} is wider than its window"
                    shade = browser.evaluate("getComputedStyle(document.body).backgroundColor")
                    assert shade == ("rgb(13, 21, 28)" if dark else "rgb(244, 246, 248)")
        browser.open(f"{home}/r/{name}/chart/settings")
        browser.look(width=390)
        right = "document.querySelector('.tabs a[aria-current]').getBoundingClientRect().right"
        assert browser.evaluate(right) <= 390, "the last tab is in sight on a phone"
        browser.open(home + "/settings/tokens")
        browser.submit("form[action='/settings/tokens']", label="laptop")
        right = "document.querySelector('.stack .button.bad').getBoundingClientRect().right"
        assert browser.evaluate(right) <= 390, "and so are a row's buttons"
        browser.look(dark=False)
        browser.open(home + "/explore")
        browser.press("footer button[value=dark]")
        browser.open(home + "/explore")
        shade = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shade == "rgb(13, 21, 28)", "the visitor's choice is stronger than the system's"
        assert browser.picture().startswith(b"\x89PNG")
