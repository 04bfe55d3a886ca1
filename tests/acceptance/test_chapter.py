"""The chapter's two containers: MongoDB's image, the application's, and a network between them.

    ubuntu --Dockerfile--> mongodb:ms-packtpub-mongodb ---> mongodb  27017, 28017
                                                               |  mynetwork
    ubuntu:14.04 --Dockerfile--> cloud-native-app:latest ---> myapp  5000

A Dockerfile or Compose file as a page prints it, broken over two lines, must be refused.
"""

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from acceptance.browser import Browser, await_site
from acceptance.chapter import FILES, check_out, free_subnet, in_the_foreground
from acceptance.client import Client
from acceptance.microblog import poll
from acceptance.pictures import take_picture
from acceptance.public import PASSWORD, Public
from acceptance.table import row

# the first test of a session may have to make the base images
pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

MONGODB = "mongodb:ms-packtpub-mongodb"
REPOSITORY = "manishsethis/docker-packtpub"
UP = r"\s+Up (Less than a second|\d+ seconds|About a minute|\d+ minutes)\s+"


@pytest.fixture(scope="module")
def app_folder(cli: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"checkout-{cli}") / "app"
    check_out(folder)
    return folder


@pytest.fixture(scope="module")
def subnet(cli: str) -> IPv4Network:
    return free_subnet()


def _built(shown: str, steps: int, name: str) -> None:
    for number in range(1, steps + 1):
        assert f"Step {number}/{steps} : " in shown
    assert "Using cache" not in shown, "the machine has never built before"
    assert re.search(rf"Successfully built [0-9a-f]{{12}}\nSuccessfully tagged {name}\n", shown)


@row("B29")
def test_a_build_without_a_context_says_what_is_missing(client: Client) -> None:
    shown = client.run(f"docker build --tag {MONGODB}", folder=FILES / "mongodb", status=1)
    program = client.name
    assert f"{program}: '{program} build' requires 1 argument\n" in shown
    assert f"Usage:  {program} build [OPTIONS] PATH | URL | -\n" in shown


@row("B27")
def test_a_dockerfile_that_is_broken_in_a_line(client: Client) -> None:
    folder = FILES / "mongodb-as-printed"
    shown = client.run(f"docker build --tag {MONGODB} .", folder=folder, status=1)
    assert "dockerfile parse error line 8: unknown instruction: 7F0CEB10" in shown


@row("B25", "B27", "B29")
def test_mongodb_image(client: Client) -> None:
    """With the key and the archive of the time, which the stand-in for ubuntu knows."""
    shown = client.run(f"docker build --tag {MONGODB} .", folder=FILES / "mongodb")
    _built(shown, 8, MONGODB)
    assert re.search("gpg: requesting key 7F0CEB10", shown)
    assert "Setting up mongodb-org " in shown
    found = client.run(
        "docker inspect --format '{{.Author}}|{{.Config.WorkingDir}}|{{json .Config.Cmd}}|"
        f"{{{{json .Config.Volumes}}}}|{{{{json .Config.ExposedPorts}}}}' {MONGODB}"
    )
    assert found.strip().split("|") == [
        "Harbour office <office@example.com>",
        "/data",
        '["mongod"]',
        '{"/data/db":{}}',
        '{"27017/tcp":{},"28017/tcp":{}}',
    ]


@row("B25", "B30")
def test_images_are_listed(client: Client) -> None:
    listed = [line.split() for line in client.run("docker images").splitlines()]
    assert listed[0][:3] == ["REPOSITORY", "TAG", "IMAGE"]
    found = {tuple(line[:2]) for line in listed[1:]}
    assert found == {("mongodb", "ms-packtpub-mongodb"), ("ubuntu", "latest")}


@row("B31")
def test_mongodb_runs_with_a_command_of_its_own(client: Client) -> None:
    shown = client.run(
        f"docker run -d -p 27017:27017 -p 28017:28017 --name mongodb {MONGODB} "
        "mongod --rest --httpinterface"
    )
    assert re.fullmatch(r"[0-9a-f]{64}\n", shown)
    command = client.run("docker inspect --format '{{json .Config.Cmd}}' mongodb")
    assert command == '["mongod","--rest","--httpinterface"]\n'


@row("B32")
def test_state_and_ports_of_mongodb(client: Client) -> None:
    (line,) = client.run("docker ps").splitlines()[1:]
    ports = [f"0.0.0.0:{client.port(port)}->{port}/tcp" for port in (27017, 28017)]
    assert re.search(UP + re.escape(", ".join(ports)) + r"\s+mongodb$", line), line


@row("B33")
def test_mongodb_s_page(client: Client) -> None:
    port = client.port(28017)
    await_site(port, lambda: client.run("docker logs mongodb"))
    assert "<h1>mongod " in Browser(port).get("/")
    take_picture(f"http://127.0.0.1:{port}/")


@row("B28")
def test_a_volume_without_a_name(client: Client) -> None:
    (name,) = client.run("docker volume ls -q").split()
    mounts = client.run(
        "docker inspect --format '{{range .Mounts}}{{.Name}} {{.Destination}}{{end}}' mongodb"
    )
    assert mounts == f"{name} /data/db\n"


@row("B39")
def test_login(client: Client) -> None:
    shown = client.on_terminal("docker login", {"Username": "manishsethis", "Password": PASSWORD})
    assert "Login Succeeded" in shown


@row("B25", "B40", "B41", "B42")
def test_tag_push_and_pull_without_a_tag(client: Client, public: Public) -> None:
    client.run(f"docker tag {MONGODB} {REPOSITORY}")
    ids = {line.split()[2] for line in client.run("docker images").splitlines()[1:]}
    assert len(ids) == 2, "a tag is no image of its own"
    assert re.search(rf"{REPOSITORY}\s+latest", client.run("docker images"))

    pushed = client.run(f"docker push {REPOSITORY}")
    assert "Using default tag: latest" in pushed
    assert "The push refers to repository [docker.io/" in pushed
    digest = re.search(r"^latest: digest: (sha256:[0-9a-f]{64}) size: \d+$", pushed, re.MULTILINE)
    assert digest, pushed
    page = public.call("GET", f"/r/{REPOSITORY}/tags")
    assert digest[1][:19] in page.body.decode()

    same = client.run(f"docker pull {REPOSITORY}")
    assert f"Status: Image is up to date for {REPOSITORY}:latest" in same
    client.run(f"docker rmi {REPOSITORY}")
    pulled = client.run(f"docker pull {REPOSITORY}")
    assert f"Digest: {digest[1]}" in pulled
    assert f"Status: Downloaded newer image for {REPOSITORY}:latest" in pulled


@row("B44")
def test_another_dockerfile_that_is_broken_in_a_line(client: Client) -> None:
    folder = FILES / "application-as-printed"
    shown = client.run("docker build --tag cloud-native-app:latest .", folder=folder, status=1)
    assert "dockerfile parse error line 12: unknown instruction: PYTHON3-PIP" in shown


@row("B44", "B46")
def test_application_image(client: Client, app_folder: Path) -> None:
    shown = client.run("docker build --tag cloud-native-app:latest .", folder=app_folder)
    _built(shown, 15, "cloud-native-app:latest")
    found = client.run(
        "docker inspect --format '{{json .Config.Cmd}}|{{json .Config.Env}}' cloud-native-app"
    )
    command, environment = found.strip().split("|")
    assert command == '["/bin/sh","-c","venv/bin/python app.py"]'
    assert '"DEBIAN_FRONTEND=noninteractive"' in environment
    assert "LANGUAGE" not in environment, "an export is over with its step"


@row("B45")
def test_add_does_what_copy_does(client: Client, app_folder: Path) -> None:
    trees = []
    for word in ("COPY", "ADD"):
        lines = f"FROM ubuntu:14.04\n{word} cloud_native_app/ /app/\n"
        (app_folder / word).write_text(lines)
        client.run(f"docker build -q -f {word} -t by-{word.lower()} .", folder=app_folder)
        look = "find /app -printf '%y %p %m %U\\n' -type f -printf '%s %T@\\n' | sort"
        trees.append(client.run(f'docker run --rm by-{word.lower()} sh -c "{look}"'))
        (app_folder / word).unlink()
    assert "f /app/templates/page.html 644 0\n" in trees[0]
    assert trees[0] == trees[1]
    client.run("docker rmi by-copy by-add")


@row("B47")
def test_the_application_runs(client: Client) -> None:
    shown = client.run("docker run -d -p 5000:5000  --name=myapp  cloud-native-app:latest")
    assert re.fullmatch(r"[0-9a-f]{64}\n", shown)


@row("B26", "B48")
def test_two_containers(client: Client) -> None:
    lines = client.run("docker ps").splitlines()[1:]
    assert [line.split()[-1] for line in lines] == ["myapp", "mongodb"]
    assert all(re.search(UP, line) for line in lines), lines
    assert f"0.0.0.0:{client.port(5000)}->5000/tcp" in lines[0]


@row("B49")
def test_the_application_s_page(client: Client) -> None:
    """It has one before it has a database."""
    port = client.port(5000)
    await_site(port, lambda: client.run("docker logs myapp"))
    page = Browser(port).get("/")
    assert "<title>Cloud-native-app</title>" in page
    assert "Log in" in page
    take_picture(f"http://127.0.0.1:{port}/")


@row("B51")
def test_a_network_with_a_subnet(client: Client, subnet: IPv4Network) -> None:
    line = f"docker network create -d bridge --subnet {subnet} mynetwork"
    assert re.fullmatch(r"[0-9a-f]{64}\n", client.run(line))


@row("B52", "B53")
def test_running_containers_are_connected(client: Client, subnet: IPv4Network) -> None:
    assert client.run("docker network connect mynetwork myapp") == ""
    assert client.run("docker network connect mynetwork mongodb") == ""
    interfaces = client.run("docker exec myapp cat /proc/net/dev")
    assert {"eth0", "eth1"} <= set(re.findall(r"(\w+):", interfaces))
    assert "nameserver 127.0.0.11" in client.run("docker exec myapp cat /etc/resolv.conf")
    found = client.run("docker exec myapp getent hosts mongodb").split()
    assert IPv4Address(found[0]) in subnet


@row("B50")
def test_users_and_tweets(client: Client) -> None:
    """Over the network, by the name of the other container."""
    browser = Browser(client.port(5000))
    browser.submit("/register", username="manish", password="ahoy")
    assert "Wrong name" in Browser(client.port(5000)).submit(
        "/login", username="manish", password="wrong"
    )
    assert "Ahoy &lt;all&gt;" in browser.submit("/tweets", body="Ahoy <all>")
    (tweet,) = browser.json("/api/v1/tweets")["tweets_list"]
    assert (tweet["user"], tweet["body"]) == ("manish", "Ahoy <all>")


@row("B49", "B50")
def test_an_application_that_looks_for_mongodb_on_localhost(client: Client) -> None:
    """It shares the other container's network: its loopback, addresses and ports."""
    client.run(
        "docker run -d --name=twin --network container:mongodb "
        "-e MONGO_URL=mongodb://localhost:27017/ cloud-native-app:latest"
    )
    look = "docker inspect --format '{{ .NetworkSettings.IPAddress }}' mongodb"
    address = client.run(look).strip()
    await_site(5000, lambda: client.run("docker logs twin"), host=address)
    browser = Browser(5000, host=address)
    page = browser.submit("/login", username="manish", password="ahoy")
    assert "Ahoy &lt;all&gt;" in page
    client.run("docker rm -f twin")


@row("B54")
def test_addresses_of_several_containers(client: Client, subnet: IPv4Network) -> None:
    ids = " ".join(client.run("docker ps -q").split())

    def addresses(field: str) -> list[IPv4Address]:
        template = f"'{{{{ .NetworkSettings.{field}IPAddress }}}}'"
        found = client.run(f"docker inspect --format {template} {ids}").splitlines()
        return sorted(map(IPv4Address, found))

    on_bridge = addresses("")
    assert len(on_bridge) == 2
    assert not any(each in subnet for each in on_bridge), "it is the default bridge's address"
    assert addresses("Networks.mynetwork.") == [subnet[2], subnet[3]]


@row("B28")
def test_what_mongodb_keeps_outlives_its_container(client: Client) -> None:
    (name,) = client.run("docker volume ls -q").split()
    client.run("docker rm -f mongodb")
    assert client.run("docker volume ls -q").split() == [name]
    client.run(f"docker run -d --name mongodb --network mynetwork -v {name}:/data/db {MONGODB}")
    port = client.port(5000)
    await_site(port, lambda: client.run("docker logs mongodb"), path="/api/v1/tweets")
    assert len(Browser(port).json("/api/v1/tweets")["tweets_list"]) == 1


@row("B60", "B61")
def test_a_second_tag_of_the_repository(client: Client, public: Public) -> None:
    name = f"{REPOSITORY}:cloud-native-app"
    assert client.run(f"docker tag cloud-native-app:latest {name}") == ""
    pushed = client.run(f"docker push {name}")
    assert re.search(r": (Layer already exists|Mounted from )", pushed), "on the same ubuntu"
    assert ": Pushed" in pushed
    assert "cloud-native-app: digest: sha256:" in pushed
    page = public.call("GET", f"/r/{REPOSITORY}/tags").body.decode()
    assert "cloud-native-app" in page
    assert "latest" in page


@row("B55")
def test_compose_is_there(client: Client) -> None:
    assert re.match(r"Docker Compose version v2\.\d+", client.run("docker-compose version"))


@row("B56")
def test_a_compose_file_that_is_misindented(client: Client, app_folder: Path) -> None:
    printed = FILES / "docker-compose-as-printed.yml"
    shown = client.run(f"docker-compose -f {printed} up", folder=app_folder, status=1)
    assert re.search("line 6.*: mapping values are not allowed in this context", shown)


@row("B56", "B57", "B58", "B59")
def test_compose_brings_both_services_up(client: Client, app_folder: Path) -> None:
    client.run("docker rm -f myapp")
    port = client.port(5000)
    file = app_folder / "docker-compose.yml"
    file.write_text(file.read_text().replace("5000:5000", f"{port}:5000"))
    # a shell that is process 1 hands no SIGTERM on: without the option Ctrl-C takes ten seconds
    with in_the_foreground(client, "docker-compose up --timeout 1", app_folder) as said:
        await_site(port, said.read_text)
        lines = client.run("docker ps").splitlines()[1:]
        client.run("docker network connect mynetwork app-web-1")
        (tweet,) = Browser(port).json("/api/v1/tweets")["tweets_list"]
        poll(said.read_text, '"GET /api/v1/tweets ')
        poll(lambda: client.run("docker logs app-flask-1"), "Running on")
    rows = {line.split()[-1]: line for line in lines}
    assert set(rows) == {"app-web-1", "app-flask-1", "mongodb"}
    assert f"0.0.0.0:{port}->5000/tcp" in rows["app-web-1"]
    assert "->" not in rows["app-flask-1"], "only web publishes a port"
    assert tweet["body"] == "Ahoy <all>"

    shown = said.read_text()
    assert "Successfully tagged app-web:latest" in shown
    assert re.search("Network app_default +Created", shown)
    assert re.search("Attaching to (flask-1, web-1|web-1, flask-1)", shown)
    assert re.search(r"^web-1 +\| .*GET /api/v1/tweets ", shown, re.MULTILINE)
    volume = "{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}"
    assert client.run(f"docker inspect --format '{volume}' app-web-1") == "volume /app\n"
    client.run("docker-compose down -v", folder=app_folder)
    assert len(client.run("docker ps -aq").split()) == 1
