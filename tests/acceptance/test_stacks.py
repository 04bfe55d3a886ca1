"""The tutorials' two applications, each from its compose file, with both compose programs.

    up --build -> a visitor uses the site -> down -> up -> what was written is there -> down -v

Needs Debian's mirror and PyPI from inside containers: the images are built as the files say.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acceptance.browser import Browser, await_site
from integration.harness import ROOT, SAMPAN, Engine

# with empty caches the first one makes a root file system and every image
pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

PROGRAMS = {
    "docker-compose": [str(ROOT / ".cache" / "tools" / "docker-compose")],
    "sampan-compose": [str(SAMPAN), "compose"],
}


class Stack:
    """An example of the tree, as a compose project in a folder of its own."""

    def __init__(self, engine: Engine, program: str, folder: Path) -> None:
        self._program = PROGRAMS[program]
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._environment = {
            **os.environ,
            "DOCKER_HOST": engine.host,
            "DOCKER_CONFIG": str(engine.home / "client"),
            "COMPOSE_PROJECT_NAME": f"{folder.name}-{program}",
            "PORT": str(self.port),
        }

    def compose(self, *words: str) -> str:
        done = subprocess.run(
            [*self._program, *words],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    def up(self) -> None:
        self.compose("up", "-d", "--build")
        await_site(self.port, lambda: self.compose("logs", "--no-color")[-4000:])


@pytest.fixture(params=PROGRAMS)
def bring_up(
    request: pytest.FixtureRequest, equipped_engine: Engine, tmp_path: Path
) -> Iterator[Callable[[str], Stack]]:
    stacks: list[Stack] = []

    def bring(example: str) -> Stack:
        # times and all, so that the second program finds the first one's build cache
        folder = shutil.copytree(ROOT / "examples" / example, tmp_path / example)
        stacks.append(Stack(equipped_engine, request.param, folder))
        stacks[0].up()
        return stacks[0]

    yield bring
    for stack in stacks:
        stack.compose("down", "-v")


def _member(port: int, name: str) -> Browser:
    """Somebody who has made an account of microblog and logged in."""
    browser = Browser(port)
    who = {"username": name, "email": f"{name}@example.com"}
    browser.submit("/auth/register", **who, password="pw", password2="pw")
    assert f"Hi, {name}!" in browser.submit("/auth/login", username=name, password="pw")
    return browser


def test_microblog_with_mysql_and_elasticsearch(bring_up: Callable[[str], Stack]) -> None:
    stack = bring_up("microblog")
    assert "Sign in" in Browser(stack.port).get("/")
    assert "Iniciar sesión" in Browser(stack.port, language="es").get("/")
    ann, bob = _member(stack.port, "ann"), _member(stack.port, "bob")

    assert "Your post is now live" in ann.submit("/index", post="Ships in the harbour")
    ann.submit("/index", post="Trains at the station")
    found = bob.get("/search?q=harbour")
    assert "Ships in the harbour" in found
    assert "Trains" not in found, "Elasticsearch chooses"
    assert "Ships" not in bob.get("/index")
    bob.submit("/follow/ann", page="/user/ann")
    assert "Ships in the harbour" in bob.get("/index")

    rows = "select body from post order by id"
    query = ("mariadb", "-umicroblog", "-pchange-me", "-N", "-e", rows, "microblog")
    listed = stack.compose("exec", "-T", "mysql", *query)
    assert listed.splitlines()[-2:] == ["Ships in the harbour", "Trains at the station"]

    stack.compose("down")
    stack.up()
    again = Browser(stack.port)
    page = again.submit("/auth/login", username="ann", password="pw")
    assert "Ships in the harbour" in page, "the volume keeps MySQL's files"


def test_tweets_on_mongodb(bring_up: Callable[[str], Stack]) -> None:
    stack = bring_up("cloud-native-app")
    browser = Browser(stack.port)
    assert browser.json("/api/v1/users") == {"user_list": []}
    browser.submit("/register", username="ann", password="pw")
    assert "Ahoy &lt;all&gt;" in browser.submit("/tweets", body="Ahoy <all>")

    other = Browser(stack.port)
    assert "Wrong name" in other.submit("/login", username="ann", password="wrong")
    assert "Ahoy" in other.submit("/login", username="ann", password="pw")

    stack.compose("down")
    stack.up()
    (tweet,) = Browser(stack.port).json("/api/v1/tweets")["tweets_list"]
    assert (tweet["user"], tweet["body"]) == ("ann", "Ahoy <all>"), "the volume keeps the tweets"
