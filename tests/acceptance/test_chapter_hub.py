"""What the chapter says of Docker Hub, with a hub in its place whose name is part of every command.

Accounts, private repositories (one for each account, as on the free plan), organisations and teams;
webhooks; builds that a push to git starts. Accounts are made with a browser, without JavaScript; an
account needs no activation, for the hub sends no mail.

    git push --hook--> hub --build--> machine --push--> hub --webhook--> receiver
"""

import json
from collections.abc import Iterator

import pytest

from acceptance.client import Client
from acceptance.pictures import has_something_to_see
from acceptance.table import row
from integration.harness import Engine
from integration.hub.browser import Browser
from integration.hub.receiver import Receiver
from integration.hub.yard import PASSWORD, Yard, git

# the first test of a session may have to make the base images
pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

OWNER, NAME = "manishsethis", "docker-packtpub"
DENIED = "pull access denied for {}, repository does not exist or may require"
MORE_THAN_ONE = "may have at most one private repository on this hub"


@pytest.fixture(scope="module")
def yard(cli: str, machine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A hub with `OWNER`, whose one private repository is `NAME`, and her git repository."""
    options = ("--builder", machine.host, "--private-repositories-per-account", "1")
    found = Yard(tmp_path_factory.mktemp(f"yard-{cli}"), *options, account=OWNER, name=NAME)
    try:
        yield found
    finally:
        found.hub.stop()


@pytest.fixture(scope="module")
def hub(yard: Yard) -> str:
    return str(yard.hub.address)


@pytest.fixture
def receiver(yard: Yard) -> Iterator[Receiver]:
    with Receiver() as found:
        yard.hook(found.url)
        yield found
    yard.repository("DELETE", "/webhook_pipeline/ci")


def _user(client: Client, name: str) -> Client:
    """Somebody else at the same machine."""
    home = client.home.with_name(name)
    return Client(client.name, client.environment["DOCKER_HOST"], home)


@row("B38", "B43")
def test_a_registry_s_name_is_part_of_an_image_s(client: Client, yard: Yard, hub: str) -> None:
    name = f"{hub}/{OWNER}/{NAME}"
    client.run("docker pull busybox")
    client.run(f"docker tag busybox {name}:first")
    refused = client.run(f"docker push {name}:first", status=1)
    assert "denied: requested access to the resource is denied" in refused
    login = f"docker login {hub} -u {OWNER} --password-stdin"
    assert "Login Succeeded" in client.run(login, stdin=PASSWORD)
    assert "first: digest: sha256:" in client.run(f"docker push {name}:first")
    assert DENIED.format(name) in _user(client, "nobody").run(f"docker pull {name}:first", status=1)
    assert "Status: " in client.run(f"docker pull {name}:first")


@row("B38")
def test_an_account_has_one_private_repository(client: Client, yard: Yard, hub: str) -> None:
    """Sign up, a private repository, no second one, but public ones; the tag on its page."""
    home = f"http://{hub}"
    with Browser() as browser:
        browser.look()
        browser.open(f"{home}/signup")
        browser.submit("main form", name="reader", password=PASSWORD)
        assert "Welcome aboard" in browser.text()
        for name, visibility in (("diary", "private"), ("secrets", "private"), ("notes", "public")):
            browser.open(f"{home}/new")
            browser.submit("main form", name=name, visibility=visibility)
            assert (MORE_THAN_ONE in browser.text()) is (name == "secrets"), name

        reader = _user(client, "reader")
        reader.run(f"docker login {hub} -u reader --password-stdin", stdin=PASSWORD)
        reader.run(f"docker tag busybox {hub}/reader/diary:today")
        reader.run(f"docker push {hub}/reader/diary:today")
        browser.open(f"{home}/r/reader/diary/tags")
        assert "today" in browser.text()
        has_something_to_see(browser.picture())
    hidden = client.run(f"docker pull {hub}/reader/diary:today", status=1)
    assert DENIED.format(f"{hub}/reader/diary") in hidden, "another account has no right to it"


@row("B36")
def test_a_team_s_private_repository(client: Client, yard: Yard, hub: str) -> None:
    """An organisation, a team in it that may pull; members that aren't in the team may not."""
    made = yard.hub.sampan("user", "add", "--password-stdin", "author", stdin=PASSWORD)
    assert made.returncode == 0, made.stderr
    home = f"http://{hub}"
    with Browser() as browser:
        browser.open(f"{home}/login")
        browser.submit("main form", name=OWNER, password=PASSWORD)
        browser.open(f"{home}/organisations/new")
        browser.submit("main form", name="packt")
        browser.open(f"{home}/u/packt/members")
        for name in ("author", "reader"):
            browser.submit("main li:last-child > form", member=name)
        browser.open(f"{home}/u/packt/teams")
        browser.submit("main form", team="authors")
        browser.submit("main form", member="author")
        browser.open(f"{home}/new")
        browser.submit("main form", namespace="packt", name="tweets", visibility="private")
        browser.open(f"{home}/r/packt/tweets/collaborators")
        browser.submit("form[action$='/teams']", team="authors", role="read")
        assert "authors" in browser.text()

    name = f"{hub}/packt/tweets"
    client.run(f"docker tag busybox {name}")
    client.run(f"docker push {name}")
    author, reader = _user(client, "author"), _user(client, "reader")
    author.run(f"docker login {hub} -u author --password-stdin", stdin=PASSWORD)
    assert "Status: " in author.run(f"docker pull {name}")
    refused = author.run(f"docker push {name}", status=1)
    assert "denied: requested access to the resource is denied" in refused
    assert DENIED.format(name) in reader.run(f"docker pull {name}", status=1)


@row("B35")
def test_a_push_is_announced(client: Client, receiver: Receiver, hub: str) -> None:
    client.run(f"docker tag busybox {hub}/{OWNER}/{NAME}:second")
    client.run(f"docker push {hub}/{OWNER}/{NAME}:second")
    (payload,) = receiver.wait_for(1)
    assert payload["push_data"]["tag"] == "second"
    assert payload["push_data"]["pusher"] == OWNER
    assert payload["repository"]["repo_name"] == f"{OWNER}/{NAME}"


@row("B34", "B35", "B37")
def test_a_change_of_the_source_becomes_an_image(
    client: Client, yard: Yard, receiver: Receiver, hub: str
) -> None:
    """The repository is linked to git; every push is built, pushed and announced."""
    rules = [{"source": "main", "docker_tag": "latest"}]
    source = yard.repository(
        "PUT", "/autobuild", source_url=f"file://{yard.bare}", build_settings=rules
    )
    yard.notify_after_push(source)
    for number, word in enumerate(("ahoy", "farewell"), start=1):
        yard.commit(Dockerfile=f"FROM busybox\nCMD echo {word}\n")
        git(yard.work, "push", "-q", "origin", "main")
        payload = receiver.wait_for(number, seconds=60)[-1]
        assert payload["push_data"]["tag"] == "latest"
        assert yard.wait_for_build(number, "success")["cause"] == "push"
        pulled = client.run(f"docker pull {hub}/{OWNER}/{NAME}")
        assert "Status: " in pulled
        assert client.run(f"docker run --rm {hub}/{OWNER}/{NAME}") == f"{word}\n"
    linked = yard.repository("GET", "/autobuild")
    assert linked["source_url"] == f"file://{yard.bare}", json.dumps(linked)
