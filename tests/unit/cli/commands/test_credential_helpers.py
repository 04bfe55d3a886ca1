"""login, logout and pull with a docker-credential-* program, a script that keeps files."""

import base64
import json

import pytest

HELPER = """#!/bin/sh
# a credential helper in a directory; what it was asked goes to its log
here=$(dirname "$0")/kept; mkdir -p "$here"
input=$(cat); echo "$1 $input" >> "$here/../log"
case $1 in
store) key=$(echo "$input" | sed 's/.*"ServerURL": *"\\([^"]*\\)".*/\\1/' | tr / _)
     echo "$input" > "$here/$key" ;;
get) f="$here/$(echo "$input" | tr / _)"
     [ -e "$f" ] && exec cat "$f"; echo "credentials not found in native keychain"; exit 1 ;;
erase) f="$here/$(echo "$input" | tr / _)"
     [ -e "$f" ] && exec rm "$f"; echo "credentials not found in native keychain"; exit 1 ;;
list) echo "{\\"$(ls "$here" | head -n 1)\\": \\"me\\"}" ;;
esac
"""


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Its log, as lines."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("box", "chest"):
        program = programs / f"docker-credential-{name}"
        program.write_text(HELPER)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return lambda: (programs / "log").read_text().splitlines()


@pytest.fixture
def configured(tmp_path):
    def write(**values):
        (tmp_path / "home/config.json").write_text(json.dumps(values))

    return write


def config_of(tmp_path):
    return json.loads((tmp_path / "home/config.json").read_text())


def login(sampan, server):
    return sampan("login", "-u", "me", "--password-stdin", server, stdin=b"secret\n")


def auth_header(request, name="x-registry-auth"):
    return json.loads(base64.urlsafe_b64decode(request.headers[name]))


def test_a_login_is_kept_by_the_helper_and_used(sampan, engine, tmp_path, helper, configured):
    configured(credsStore="box")
    engine.on("POST", "/auth", {"Status": "Login Succeeded", "IdentityToken": ""})
    outcome = login(sampan, "reg.example")
    assert outcome.status == 0, outcome.err
    assert "unencrypted" not in outcome.err
    assert config_of(tmp_path) == {"credsStore": "box", "auths": {"reg.example": {}}}
    assert "secret" not in (tmp_path / "home/config.json").read_text()
    kept = {"ServerURL": "reg.example", "Username": "me", "Secret": "secret"}
    assert json.loads(helper()[-1].removeprefix("store ")) == kept

    sampan("push", "reg.example/x:y")
    assert helper()[-1] == "get reg.example"
    assert auth_header(engine.requests[-1]) == {
        "username": "me",
        "password": "secret",
        "serveraddress": "reg.example",
    }
    outcome = sampan("login", "reg.example")
    assert outcome.out == "Login Succeeded\n"
    assert "Authenticating with existing credentials" in outcome.err

    outcome = sampan("logout", "reg.example")
    assert outcome.out == "Removing login credentials for reg.example\n"
    assert helper()[-1] == "erase reg.example"
    assert config_of(tmp_path)["auths"] == {}
    sampan("push", "reg.example/x:y")
    assert engine.requests[-1].headers["x-registry-auth"] == "e30="


def test_an_identity_token_is_marked(sampan, engine, helper, configured):
    configured(credHelpers={"reg.example": "chest"}, credsStore="box")
    engine.on("POST", "/auth", {"Status": "Login Succeeded", "IdentityToken": "tok"})
    assert login(sampan, "reg.example").status == 0
    kept = {"ServerURL": "reg.example", "Username": "<token>", "Secret": "tok"}
    assert json.loads(helper()[-1].removeprefix("store ")) == kept
    sampan("push", "reg.example/x:y")
    assert auth_header(engine.requests[-1])["identitytoken"] == "tok"


def test_a_missing_helper_is_named(sampan, engine, configured):
    configured(credHelpers={"reg.example": "nosuch"})
    engine.on("POST", "/auth", {"Status": "Login Succeeded", "IdentityToken": ""})
    outcome = login(sampan, "reg.example")
    assert outcome.status == 1
    assert (
        "error storing credentials - err: "
        'exec: "docker-credential-nosuch": executable file not found in $PATH, out: ``'
    ) in outcome.err


def test_search_shows_what_the_registry_found(sampan, engine, configured):
    configured(auths={"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"}})
    found = [
        {"name": "me/boat", "description": "x" * 50, "star_count": 1, "is_official": False},
        {"name": "boat", "description": "", "star_count": 7, "is_official": True},
    ]
    engine.on("GET", "/images/search", found)
    outcome = sampan("search", "--limit", "5", "-f", "stars=1", "boat")
    assert [line.rstrip() for line in outcome.out.splitlines()] == [
        f"{'NAME':10}{'DESCRIPTION':48}STARS     OFFICIAL",
        f"{'boat':10}{'':48}7         [OK]",
        f"{'me/boat':10}{'x' * 44 + '…':48}1",
    ]
    (request,) = engine.requests
    assert request.query == {"term": "boat", "limit": "5", "filters": '{"stars":{"1":true}}'}
    assert auth_header(request)["username"] == "me"
    outcome = sampan("search", "--format", "{{.Name}} {{.StarCount}}", "boat")
    assert outcome.out == "boat 7\nme/boat 1\n"
