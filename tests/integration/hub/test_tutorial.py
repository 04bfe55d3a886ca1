"""The tutorials' Docker Hub steps, word for word, against a hub of our own, by both clients.

The engines have the hub as their default registry, so that no name in a command has a host in it:
`login` on a terminal, `tag`, `push`, `pull` on a second engine, the Tags page, and a repository
that is private.
"""

import json
import os
import pty
import select
import subprocess
import time

import pytest

from integration.harness import BUSYBOX, SAMPAN, Engine, docker_cli
from integration.hub.hubs import Hub

pytestmark = pytest.mark.integration

PASSWORD = "ahoy-ahoy-7"
ACCOUNT = "miguelgrinberg"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    found = Hub(tmp_path_factory.mktemp("hub"), "--log-level", "info")
    try:
        found.start()
        for name in (ACCOUNT, "manishsethis"):
            words = ("user", "add", "--root", str(found.root), "--password-stdin", name)
            subprocess.run(
                [SAMPAN, "hub", *words], input=PASSWORD, text=True, check=True, timeout=25
            )
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def engines(port):
    """Two machines, with the same base image."""
    found = [Engine("--default-registry", port.address) for _ in range(2)]
    try:
        for engine in found:
            engine.start()
        found[0].import_busybox()
        yield found
    finally:
        for engine in found:
            engine.destroy()
            engine.check_nothing_is_left()


@pytest.fixture(params=["docker", "sampan"])
def client(request):
    return docker_cli() if request.param == "docker" else str(SAMPAN)


class Client:
    """One user's client at one engine. Programs outside aren't asked for credentials."""

    def __init__(self, program, engine, home):
        home.mkdir(exist_ok=True)
        self.home = home
        self._program = program
        self._environment = {
            **os.environ,
            "DOCKER_HOST": engine.host,
            "DOCKER_CONFIG": str(home),
            "DOCKER_CLI_HINTS": "false",
            "TERM": "dumb",
        }

    def __call__(self, line, *, stdin=""):
        return subprocess.run(
            [self._program, *line.split()[1:]],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def ask(self, line, answers):
        """As `__call__` on a terminal, answering prompts; what was shown."""
        process, terminal = pty.fork()
        if process == 0:
            os.execve(self._program, [self._program, *line.split()[1:]], self._environment)
        shown, deadline = "", time.monotonic() + 40
        waiting = dict(answers)
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other side is closed
                break
            for prompt in [prompt for prompt in waiting if prompt in shown]:
                os.write(terminal, waiting.pop(prompt).encode() + b"\n")
        os.close(terminal)
        os.waitpid(process, 0)
        return shown


@pytest.mark.timeout(120)
def test_the_first_tutorial(port, engines, client, tmp_path):
    one = Client(client, engines[0], tmp_path / "one")
    engines[0].docker("tag", BUSYBOX, "microblog:latest")

    shown = one.ask("docker login", {"Username": ACCOUNT, "Password": PASSWORD})
    assert "Login Succeeded" in shown
    assert (
        "https://index.docker.io/v1/" in json.loads((one.home / "config.json").read_text())["auths"]
    )

    tagged = one(f"docker tag microblog:latest {ACCOUNT}/microblog:latest")
    assert tagged.returncode == 0, tagged.stderr
    listed = one("docker images").stdout.splitlines()
    ids = {line.split()[2] for line in listed if "microblog" in line}
    assert len(ids) == 1
    pushed = one(f"docker push {ACCOUNT}/microblog:latest")
    assert pushed.returncode == 0, pushed.stderr
    assert "latest: digest: sha256:" in pushed.stdout
    digest = pushed.stdout.split("digest: ")[1].split()[0]

    page = port.call("GET", f"/r/{ACCOUNT}/microblog/tags")
    assert page.status == 200
    assert digest[:19] in page.body.decode()

    other = Client(client, engines[1], tmp_path / "other")
    pulled = other(f"docker pull {ACCOUNT}/microblog:latest")
    assert pulled.returncode == 0, pulled.stderr
    assert f"Status: Downloaded newer image for {ACCOUNT}/microblog:latest" in pulled.stdout
    ran = other(f"docker run --rm {ACCOUNT}/microblog:latest echo ahoy")
    assert ran.stdout == "ahoy\n", ran.stderr
    found = other("docker search microblog").stdout
    assert f"{ACCOUNT}/microblog" in found
    assert other(f"docker rmi {ACCOUNT}/microblog:latest").returncode == 0
    assert one(f"docker rmi {ACCOUNT}/microblog:latest microblog:latest").returncode == 0


@pytest.mark.timeout(120)
def test_the_second_tutorial_with_a_private_repository(port, engines, client, tmp_path):
    one = Client(client, engines[0], tmp_path / "one")
    name = "manishsethis/docker-packtpub"
    engines[0].docker("tag", BUSYBOX, "mongodb:ms-packtpub-mongodb")
    tagged = one(f"docker tag mongodb:ms-packtpub-mongodb {name}")
    assert tagged.returncode == 0, tagged.stderr
    refused = one(f"docker push {name}")
    assert "denied: requested access to the resource is denied" in refused.stderr

    shown = one("docker login -u manishsethis --password-stdin", stdin=PASSWORD)
    assert "Login Succeeded" in shown.stdout, shown.stderr
    pushed = one(f"docker push {name}")
    assert "Using default tag: latest" in pushed.stdout
    assert "latest: digest: sha256:" in pushed.stdout, pushed.stderr
    login = json.dumps({"username": "manishsethis", "password": PASSWORD}).encode()
    token = json.loads(port.call("POST", "/v2/users/login", login).body)["token"]
    private = port.call(
        "PATCH",
        f"/v2/repositories/{name}/privacy/",
        b'{"is_private": true}',
        Authorization=f"JWT {token}",
    )
    assert private.status == 200

    other = Client(client, engines[1], tmp_path / "other")
    hidden = other(f"docker pull {name}")
    assert f"pull access denied for {name}, repository does not exist or may require" in (
        hidden.stderr
    )
    assert other("docker login -u manishsethis --password-stdin", stdin=PASSWORD).returncode == 0
    pulled = other(f"docker pull {name}")
    assert "Status: Downloaded newer image for" in pulled.stdout, pulled.stderr
    again = other(f"docker pull {name}")
    assert "Status: Image is up to date for" in again.stdout
    assert other("docker logout").returncode == 0
    assert other(f"docker rmi {name}").returncode == 0
    assert "pull access denied" in other(f"docker pull {name}").stderr
    assert one(f"docker rmi {name} mongodb:ms-packtpub-mongodb").returncode == 0
