"""The microblog tutorial: one container, then MySQL and Elasticsearch beside it, then the registry.

Each test goes on where the one before it stopped, on one machine that had no image at first. The
files are those of examples/microblog; as in the tutorial the first image is made without the driver
for MySQL, and with a boot.sh that doesn't wait for a database.
"""

import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from acceptance.browser import Browser, await_site
from acceptance.client import Client
from acceptance.microblog import (
    DATABASE,
    ELASTICSEARCH,
    FIRST_BOOT,
    MAIL,
    MYSQL,
    exit_code,
    first_answers,
    layers,
    poll,
    sign_in,
)
from acceptance.pictures import take_picture
from acceptance.public import PASSWORD, Public
from acceptance.table import row
from integration.harness import ROOT, Engine

# the first test of a session may have to make the base images
pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

WORDS = "FROM RUN WORKDIR COPY RUN RUN RUN COPY COPY COPY RUN ENV RUN USER EXPOSE ENTRYPOINT"
DRIVER = "RUN venv/bin/pip install gunicorn pymysql"
RUN = "docker run --name microblog -d -p 8000:5000 --rm"
SETTINGS = " ".join(f"-e {name}={value}" for name, value in MAIL.items())


@pytest.fixture(scope="module")
def source(cli: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(cli) / "microblog"
    return shutil.copytree(ROOT / "examples" / "microblog", folder)


@pytest.fixture(scope="module")
def account(cli: str) -> str:
    return f"readerof{cli}"


@row("A01")
def test_version_of_client_and_server(client: Client) -> None:
    shown = client.run("docker version")
    labels = ("Version:", "API version:", "Git commit:", "Built:", "OS/Arch:")
    client_part, server_part = shown.split("Server:")
    assert client_part.startswith("Client:")
    assert all(label in client_part for label in labels)
    assert all(label in server_part for label in (*labels, "Go version:", "Experimental:"))
    assert "minimum version 1." in server_part
    assert re.search(r"Built: +\w{3} \w{3} +\d+ [\d:]{8} 20\d\d", server_part)


@row("A03", "A04", "A08", "A21")
def test_the_image_is_built_in_16_steps(client: Client, source: Path) -> None:
    recipe = (source / "Dockerfile").read_text()
    assert DRIVER in recipe
    (source / "Dockerfile").write_text(recipe.replace(" pymysql", ""))
    (source / "boot.sh").write_text(FIRST_BOOT)
    assert client.run("docker images -q") == ""
    shown = client.run("docker build -t microblog:latest .", folder=source)
    assert "Pulling from library/python" in shown
    assert "Downloaded newer image for python:3.6-alpine" in shown
    for number, word in enumerate(WORDS.split(), start=1):
        assert f"Step {number}/16 : {word} " in shown
    assert re.search(r"^Successfully built [0-9a-f]{12}$", shown, re.MULTILINE)
    assert "Successfully tagged microblog:latest" in shown


@row("A09")
def test_both_images_are_listed(client: Client) -> None:
    heading, *listed = client.run("docker images").splitlines()
    assert heading.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    names = {tuple(line.split()[:2]) for line in listed}
    assert {("microblog", "latest"), ("python", "3.6-alpine")} <= names
    size = next(line for line in listed if line.startswith("microblog")).split()[-1]
    assert re.fullmatch(r"[1-9][\d.]+MB", size)


@row("A02")
def test_an_image_made_by_hand(client: Client) -> None:
    client.on_terminal(
        "docker run -it --name by-hand python:3.6-alpine /bin/sh",
        {"# ": "mkdir /site && echo made by hand > /site/note; exit"},
    )
    image = client.run("docker commit by-hand snapshot").strip()
    assert re.fullmatch("sha256:[0-9a-f]{64}", image)
    assert client.run("docker run --rm snapshot cat /site/note") == "made by hand\n"
    client.run("docker rm by-hand")
    client.run("docker rmi snapshot")


@row("A10", "A05", "A07", "A11")
def test_the_container_serves_the_site(client: Client) -> None:
    started = client.run(f"{RUN} microblog:latest")
    assert re.fullmatch("[0-9a-f]{64}\n", started)
    port = client.port(8000)
    await_site(port, lambda: client.run("docker logs microblog"))
    assert first_answers(port) == [(302, "/auth/login"), (200, "")]
    heading, line = client.run("docker ps").splitlines()
    assert re.split(" {2,}", heading) == [
        *("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
    ]
    assert line.startswith(started[:12])
    assert line.endswith(" microblog")
    for part in ("microblog:latest", '"./boot.sh"', " Up ", f"0.0.0.0:{port}->5000/tcp"):
        assert part in line
    written = client.run("docker logs microblog")
    assert "Running upgrade" in written, "boot.sh's first line"
    assert "Listening at: http://0.0.0.0:5000" in written, "gunicorn's error log"
    assert '"GET /auth/login' in written, "gunicorn's access log"
    assert "gunicorn" in client.run("docker exec microblog cat /proc/1/cmdline"), "exec'd"


@row("A12", "A06", "A14")
def test_stop_ends_site_and_what_it_stored(client: Client) -> None:
    sign_in(client.port(8000), "susan", register=True)
    short = client.run("docker ps -q").strip()
    assert re.fullmatch("[0-9a-f]{12}", short)
    assert client.run(f"docker stop {short}") == f"{short}\n"
    assert client.run("docker ps -a -q") == "", "--rm"
    assert exit_code(client, short) == "0", "PID 1 took SIGTERM: it is gunicorn"


@row("A13", "A14")
def test_settings_in_the_environment_and_nothing_kept(client: Client) -> None:
    client.run(f"{RUN} {SETTINGS} microblog:latest")
    await_site(client.port(8000), lambda: client.run("docker logs microblog"))
    environment = dict(
        line.split("=", 1) for line in client.run("docker exec microblog env").splitlines()
    )
    assert environment.items() >= MAIL.items()
    assert environment["FLASK_APP"] == "microblog.py", "from the image"
    browser = Browser(client.port(8000))
    page = browser.submit("/auth/login", username="susan", password="pw")
    assert "Invalid username or password" in page, "gone with the first container"
    client.run("docker stop microblog")


@row("A15")
def test_mysql_with_a_root_password_of_its_own(client: Client) -> None:
    """It stops in the midst of its first start: what comes now has to wait for it."""
    client.run(MYSQL)
    poll(partial(client.run, "docker logs mysql"), "GENERATED ROOT PASSWORD: ")
    client.run("docker pause mysql")
    assert "Starting MariaDB" not in client.run("docker logs mysql")
    ports = client.run("docker ps --filter name=mysql --format '{{.Ports}}'")
    assert ports == "3306/tcp, 33060/tcp\n", "not published"
    assert "mysql/mysql-server" in client.run("docker images")


@row("A16", "A17")
def test_the_second_build_begins_at_what_changed(client: Client, source: Path) -> None:
    shutil.copy(ROOT / "examples/microblog/Dockerfile", source / "Dockerfile")
    shutil.copy(ROOT / "examples/microblog/boot.sh", source / "boot.sh")
    old = client.run("docker images -q microblog").strip()
    shown = client.run("docker build -t microblog:latest .", folder=source)
    steps = re.split(r"^Step \d+/16 : ", shown, flags=re.MULTILINE)[1:]
    cached = [number for number, text in enumerate(steps, start=1) if "Using cache" in text]
    assert cached == [2, 3, 4, 5, 6], "FROM needs none"
    assert steps[6].startswith(DRIVER)
    assert client.run("docker images -q microblog").strip() != old
    line = next(line for line in client.run("docker images").splitlines() if old in line)
    assert line.split()[:3] == ["<none>", "<none>", old]
    assert client.run("docker images -q --filter dangling=true").split() == [old]


@row("A19", "A18", "A06", "A23")
def test_the_site_waits_for_its_database(client: Client) -> None:
    client.run(
        f"{RUN} {SETTINGS} --link mysql:dbserver -e DATABASE_URL={DATABASE} microblog:latest"
    )
    impatient = client.run(
        f"docker run -d --link mysql:dbserver -e DATABASE_URL={DATABASE} microblog:latest"
    ).strip()
    waits = "Upgrade command failed, retrying in 5 secs..."
    for name in ("microblog", impatient):
        written = poll(partial(client.run, f"docker logs {name}"), waits)
        assert "Traceback (most recent call last):" in written, "of flask db upgrade"
    client.run(f"docker stop -t 1 {impatient}")
    assert exit_code(client, impatient) == "137", "a shell as PID 1 doesn't hear SIGTERM"
    client.run(f"docker rm {impatient}")

    client.run("docker unpause mysql")
    written = poll(lambda: client.run("docker logs microblog"), "Listening at: ")
    assert written.index(waits) < written.index("Running upgrade")
    sign_in(client.port(8000), "ann", register=True)


@row("A18")
def test_the_link_is_in_hosts_and_environment(client: Client) -> None:
    server, address = client.run(
        "docker inspect --format '{{.Id}} {{.NetworkSettings.IPAddress}}' mysql"
    ).split()
    hosts = client.run("docker exec microblog cat /etc/hosts")
    assert re.search(rf"^{address}\s+dbserver {server[:12]} mysql$", hosts, re.MULTILINE)
    environment = set(client.run("docker exec microblog env").splitlines())
    assert environment >= {
        f"DBSERVER_PORT=tcp://{address}:3306",
        f"DBSERVER_PORT_3306_TCP=tcp://{address}:3306",
        f"DBSERVER_PORT_3306_TCP_ADDR={address}",
        "DBSERVER_PORT_3306_TCP_PORT=3306",
        "DBSERVER_PORT_3306_TCP_PROTO=tcp",
        "DBSERVER_NAME=/microblog/dbserver",
        "DBSERVER_ENV_MYSQL_DATABASE=microblog",
    }


@row("A14")
def test_what_mysql_has_outlives_the_site(client: Client) -> None:
    client.run("docker stop microblog")
    name = client.run(f"{RUN} --link mysql:dbserver -e DATABASE_URL={DATABASE} microblog:latest")
    await_site(client.port(8000), lambda: client.run("docker logs microblog"))
    sign_in(client.port(8000), "ann")
    conflict = client.run(f"{RUN} microblog:latest", status=125)
    assert 'Conflict. The container name "/microblog" is already in use by container' in conflict
    assert name.strip() in conflict
    client.run("docker stop microblog")


@row("A20", "A21")
def test_elasticsearch_of_another_registry(client: Client) -> None:
    shown = client.run(ELASTICSEARCH)
    assert "Pulling from elasticsearch/elasticsearch-oss" in shown
    assert "docker.elastic.co/elasticsearch/elasticsearch-oss" in client.run("docker images")
    await_site(client.port(9200), lambda: client.run("docker logs elasticsearch"))
    assert Browser(client.port(9200)).json("/")["version"]["number"] == "6.1.1"
    assert client.run("docker port elasticsearch 9300").startswith(f"0.0.0.0:{client.port(9300)}")
    assert "discovery.type=single-node" in client.run("docker exec elasticsearch env").splitlines()


@row("A22", "A05")
def test_the_whole_site_with_search(client: Client) -> None:
    client.run(
        f"{RUN} {SETTINGS} --link mysql:dbserver -e DATABASE_URL={DATABASE} "
        "--link elasticsearch:elasticsearch -e ELASTICSEARCH_URL=http://elasticsearch:9200 "
        "microblog:latest"
    )
    port = client.port(8000)
    await_site(port, lambda: client.run("docker logs microblog"))
    hosts = client.run("docker exec microblog cat /etc/hosts")
    assert re.search(r"\selasticsearch [0-9a-f]{12}$", hosts, re.MULTILINE)
    ann, bob = sign_in(port, "ann"), sign_in(port, "bob", register=True)
    assert "Your post is now live" in ann.submit("/index", post="Ships in the harbour")
    ann.submit("/index", post="Trains at the station")
    found = bob.get("/search?q=harbour")
    assert "Ships in the harbour" in found
    assert "Trains" not in found
    assert "Iniciar sesión" in Browser(port, language="es").get("/"), "flask translate compile"
    take_picture(f"http://127.0.0.1:{port}/")


@row("A15")
def test_mysql_says_that_it_is_healthy(client: Client) -> None:
    poll(lambda: client.run("docker ps --filter name=mysql"), "(healthy)")


@row("A23")
def test_the_log_has_the_traceback_of_a_failed_request(client: Client) -> None:
    before = client.run("docker logs microblog")
    client.run("docker stop mysql")
    with pytest.raises(OSError, match="500"):
        Browser(client.port(8000)).submit("/auth/login", username="ann", password="pw")
    written = client.run("docker logs microblog")
    assert written.startswith(before)
    failed = written.removeprefix(before)
    assert "Exception on /auth/login [POST]" in failed
    assert "Traceback (most recent call last):" in failed
    assert "pymysql.err.OperationalError" in failed
    assert '"POST /auth/login HTTP/1.1" 500' in failed


@row("A15")
def test_the_volume_of_mysql_stays(client: Client) -> None:
    (volume,) = client.run("docker volume ls -q").split()
    client.run("docker rm mysql")
    assert client.run("docker volume ls -q").split() == [volume]
    client.run("docker stop microblog elasticsearch")
    assert client.run("docker ps -a -q") == ""
    assert "No such container: microblog" in client.run("docker logs microblog", status=1)


@row("A24")
def test_an_account_is_made_on_the_pages(public: Public, account: str) -> None:
    page = Browser(public.port).submit("/signup", name=account, password=PASSWORD)
    assert account in page


@row("A25")
def test_login_on_a_terminal(client: Client, account: str) -> None:
    shown = client.on_terminal("docker login", {"Username": account, "Password": PASSWORD})
    assert "Login Succeeded" in shown
    assert "https://index.docker.io/v1/" in (client.home / "config.json").read_text()


@row("A26")
def test_a_second_name(client: Client, account: str) -> None:
    assert client.run(f"docker tag microblog:latest {account}/microblog:latest") == ""
    lines = [line.split() for line in client.run("docker images").splitlines()]
    ids = {words[0]: words[2] for words in lines if words[0].endswith("microblog")}
    assert ids.keys() == {"microblog", f"{account}/microblog"}
    assert len(set(ids.values())) == 1


@row("A27", "A25")
def test_push_is_for_who_is_logged_in(client: Client, public: Public, account: str) -> None:
    shown = client.run(f"docker push {account}/microblog:latest")
    done = re.findall(r"^(\w{12}): (?:Pushed|Mounted from .+)$", shown, re.MULTILINE)
    assert set(done) == layers(client, "microblog:latest")
    pushed = re.search(r"^latest: digest: (sha256:[0-9a-f]{64}) size: \d+$", shown, re.MULTILINE)
    assert pushed
    page = Browser(public.port).get(f"/r/{account}/microblog/tags")
    assert pushed[1][:19] in page
    removed = client.run("docker logout")
    assert "Removing login credentials for https://index.docker.io/v1/" in removed
    refused = client.run(f"docker push {account}/microblog:latest", status=1)
    assert "denied: requested access to the resource is denied" in refused


@row("A28", "A29", "A21")
def test_others_pull_and_run_it(cli: str, second_machine: Engine, account: str) -> None:
    other = Client(cli, second_machine.host, second_machine.home / "user")
    assert f"{account}/microblog" in other.run("docker search microblog")
    shown = other.run(f"docker pull {account}/microblog:latest")
    assert f"Status: Downloaded newer image for {account}/microblog:latest" in shown
    other.run(f"{RUN} {account}/microblog:latest")
    await_site(other.port(8000), lambda: other.run("docker logs microblog"))
    assert first_answers(other.port(8000)) == [(302, "/auth/login"), (200, "")]
    sign_in(other.port(8000), "carol", register=True)
    other.run("docker stop microblog")
