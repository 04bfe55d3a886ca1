"""What the microblog story's tests say and ask: its long commands, its users, its answers."""

import http.client
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from acceptance.browser import Browser
from acceptance.client import Client

FIRST_BOOT = """#!/bin/sh
source venv/bin/activate
flask db upgrade
flask translate compile
exec gunicorn -b :5000 --access-logfile - --error-logfile - microblog:app
"""
MAIL = {
    "SECRET_KEY": "my-secret-key",
    "MAIL_SERVER": "smtp.googlemail.com",
    "MAIL_PORT": "587",
    "MAIL_USE_TLS": "true",
    "MAIL_USERNAME": "me@gmail.example",
    "MAIL_PASSWORD": "my-gmail-password",
}
DATABASE = "mysql+pymysql://microblog:my-database-password@dbserver/microblog"
MYSQL = (
    "docker run --name mysql -d -e MYSQL_RANDOM_ROOT_PASSWORD=yes -e MYSQL_DATABASE=microblog "
    "-e MYSQL_USER=microblog -e MYSQL_PASSWORD=my-database-password mysql/mysql-server:5.7"
)
ELASTICSEARCH = (
    "docker run --name elasticsearch -d -p 9200:9200 -p 9300:9300 --rm "
    '-e "discovery.type=single-node" docker.elastic.co/elasticsearch/elasticsearch-oss:6.1.1'
)
_WITHIN_S = 90


def poll(ask: Callable[[], str], wanted: str) -> str:
    """Ask until the answer has the words."""
    deadline = time.monotonic() + _WITHIN_S
    while wanted not in (answer := ask()):
        assert time.monotonic() < deadline, f"{wanted!r} never came\n{answer[-4000:]}"
        time.sleep(0.2)
    return answer


def first_answers(port: int) -> list[tuple[int, str]]:
    """Of the site to somebody who isn't signed in: statuses, and where to go on."""
    found, path = [], "/"
    while path:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        target = urlsplit(answer.getheader("Location", ""))
        connection.close()
        found.append((answer.status, target.path))
        path = target.path and f"{target.path}?{target.query}"
    return found


def sign_in(port: int, name: str, *, register: bool = False) -> Browser:
    """Somebody's browser; who isn't a user yet becomes one."""
    browser = Browser(port)
    if register:
        who = {"username": name, "email": f"{name}@example.com"}
        browser.submit("/auth/register", **who, password="pw", password2="pw")
    assert f"Hi, {name}!" in browser.submit("/auth/login", username=name, password="pw")
    return browser


def exit_code(client: Client, container: str) -> str:
    """From the events: with --rm nothing else is left of a container."""
    ended = f"docker events --since 10m --until {time.time():.6f} --filter event=die"
    wanted = "--format '{{.Actor.Attributes.exitCode}}'"
    return client.run(f"{ended} --filter container={container} {wanted}").strip()


def layers(client: Client, image: str) -> set[str]:
    """By their short diff ids, as a push tells of them."""
    listed = client.run(f"docker inspect --format '{{{{json .RootFS.Layers}}}}' {image}")
    return {each.removeprefix("sha256:")[:12] for each in json.loads(listed)}
