"""Pages, API and trigger of webhooks and builds, as browsers, tools and git servers use them."""

import hashlib
import hmac
import http.client
import json
import re
import time

import pytest

from integration.hub.receiver import Receiver
from sampan.hub.accounts import teams, users
from sampan.hub.accounts.permissions import Role
from sampan.hub.automation.builds import queue
from sampan.hub.automation.builds.queue import State
from unit.hub.whole import Tool, Visitor, WholeHub

RULE = {"type-0": "branch", "source-0": "main", "tag-0": "latest", "autobuild-0": "yes"}


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    with WholeHub(root, webhook_allow=("127.0.0.1/32",)) as hub:
        hub.root = root
        for name in ("alice", "wendy", "eve"):
            hub.user(name)
        hub.push("alice/app", "1.0", who="alice")
        hub.push("alice/built", "1.0", who="alice")
        hub.database.write_now(_let_wendy_push)
        yield hub


def _let_wendy_push(connection):
    from sampan.hub.accounts.standing import find_repository

    for name in ("app", "built"):
        found = find_repository(connection, "alice", name)
        wendy = users.get(connection, "wendy")
        teams.set_collaborator(connection, found.id, wendy, Role.WRITE)


def eventually(condition):
    deadline = time.monotonic() + 15
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_webhook_by_the_pages(yard):
    alice, base = Visitor(yard, "alice"), "/r/alice/app/webhooks"
    alice.open("/r/alice/app")
    assert 'href="/r/alice/app/webhooks"' in alice.page
    alice.open(base)
    assert alice.send(base, name="ci", url="ftp://x").status == 400
    assert "must begin with https://" in alice.page
    with Receiver() as receiver:
        answer = alice.send(base, name="ci", url=receiver.url)
        secret = re.search(r'command wrap">([\w-]{43})<', alice.page)[1]
        assert answer.status == 200
        alice.open(base)
        assert secret not in alice.page
        hook = re.search(rf'{base}/\d+"', alice.page)[0].rstrip('"')
        alice.open(hook)
        assert secret not in alice.page
        assert alice.send(f"{hook}/test").status == 200
        receiver.wait_for(1)
        headers, body = receiver.got[0]
        assert headers["X-Hub-Event"] == "test"
        proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Hub-Signature-256"] == f"sha256={proof}"
        eventually(lambda: alice.open(alice.path) and "HTTP 200" in alice.page)
        assert "thanks" in alice.page
        assert headers["X-Hub-Delivery"] in alice.page
        # a push, and its replay
        yard.push("alice/app", "2.0", who="wendy")
        payload = receiver.wait_for(2)[1]
        assert (payload["push_data"]["tag"], payload["push_data"]["pusher"]) == ("2.0", "wendy")
        alice.open(hook)
        delivery = receiver.got[1][0]["X-Hub-Delivery"]
        alice.send(f"{hook}/deliveries/{delivery}/replay")
        receiver.wait_for(3)
        assert receiver.got[2][1] == receiver.got[1][1]
        assert receiver.got[2][0]["X-Hub-Delivery"] != delivery
        # another secret, off, gone
        alice.open(hook)
        alice.send(f"{hook}/secret", follow=False)
        assert re.search(r'command wrap">([\w-]{43})<', alice.page)[1] != secret
        alice.send(f"{hook}/switch", on="no")
        assert "Switch on" in alice.page
        alice.send(f"{hook}/remove")
        assert alice.open(hook).status == 404


@pytest.mark.parametrize("who", ["wendy", "eve", ""])
@pytest.mark.parametrize(
    "tail", ["webhooks", "webhooks/1", "builds", "builds/settings", "builds/1"]
)
def test_only_who_may_change_settings_sees_them(yard, who, tail):
    visitor = Visitor(yard, who) if who else Visitor(yard)
    answer = visitor.open(f"/r/alice/app/{tail}")
    assert answer.status == (403 if who else 303)
    visitor.open("/r/alice/app")
    assert "/r/alice/app/webhooks" not in visitor.page
    tool = Tool(yard, who) if who else Tool(yard)
    for path in ("webhooks", "builds", "autobuild"):
        answer = tool.call("GET", f"/v2/repositories/alice/app/{path}")
        assert answer.status == (403 if who else 401)


def test_a_webhook_by_the_api(yard):
    alice, base = Tool(yard, "alice"), "/v2/repositories/alice/app"
    with Receiver() as receiver:
        target = {"name": "x", "hook_url": receiver.url}
        made = alice.call("POST", f"{base}/webhook_pipeline/", name="by api", webhooks=[target])
        assert made.status == 201
        assert made.json["secret"]
        again = alice.call("POST", f"{base}/webhook_pipeline/", name="by api", webhooks=[target])
        assert again.status == 409
        listed = alice.call("GET", f"{base}/webhooks/").json
        assert listed["count"] == 1
        assert "secret" not in listed["results"][0]
        one = f"{base}/webhook_pipeline/by%20api"
        sent = alice.call("POST", f"{one}/test")
        assert sent.status == 202
        delivery = f"{one}/deliveries/{sent.json['id']}"
        found = eventually(
            lambda: (seen := alice.call("GET", delivery).json)["state"] == "delivered" and seen
        )
        assert found["payload"]["push_data"]["tag"] == "test"
        assert [each["status"] for each in found["history"]] == [200]
        assert alice.call("POST", f"{delivery}/replay").status == 202
        assert len(receiver.wait_for(2)) == 2
        assert alice.call("GET", f"{one}/deliveries").json["count"] == 2
        assert alice.call("DELETE", f"{one}/").status == 204
        assert alice.call("DELETE", f"{one}/").status == 404


def test_a_webhook_to_this_machine_is_refused_where_no_network_is_open(tmp_path):
    with WholeHub(tmp_path) as hub, Receiver() as receiver:
        hub.user("alice")
        hub.push("alice/app", "1", who="alice")
        alice, base = Tool(hub, "alice"), "/v2/repositories/alice/app/webhook_pipeline"
        targets = [{"name": "x", "hook_url": receiver.url}]
        assert alice.call("POST", base, name="x", webhooks=targets).status == 201
        sent = alice.call("POST", f"{base}/x/test").json["id"]
        path = f"{base}/x/deliveries/{sent}"
        found = eventually(
            lambda: (
                (seen := alice.call("GET", path).json)["history"][:1]
                and seen["history"][0]["error"]
                and seen
            )
        )
        assert found["state"] == "pending"
        assert found["history"][0]["error"] == "127.0.0.1 isn't a public address"
        assert not receiver.got


def build_settings(yard):
    alice, base = Visitor(yard, "alice"), "/r/alice/built/builds"
    alice.open(base)
    alice.send(f"{base}/source", url="https://git.example.org/team/app.git")
    return alice, base


def test_linking_a_source_and_its_rules(yard):
    alice, base = build_settings(yard)
    assert "no engine to build with" in alice.open(base).body.decode()
    assert alice.send(f"{base}/source", url="file:///etc").status == 400
    assert "File URLs are closed" in alice.page
    alice.open(f"{base}/settings")
    assert "/^(main|master)$/" in alice.page
    assert "deploy key" not in alice.page.partition("Unlink")[0]
    assert alice.send(f"{base}/settings/rules", **RULE, **{"source-1": "/(/"}).status == 400
    assert "isn&#39;t a regular expression" in alice.page
    assert 'value="/(/"' in alice.page, "what was typed isn't lost"
    alice.send(f"{base}/settings/rules", **RULE)
    assert 'value="main"' in alice.page
    assert "/^(main|master)$/" not in alice.page
    assert alice.send(f"{base}/settings/arguments", arguments="oops").status == 400
    alice.send(f"{base}/settings/arguments", arguments="WORD=<ahoy>")
    assert "WORD=&lt;ahoy&gt;" in alice.page
    alice.send(f"{base}/settings/poll", poll="300")
    assert '<option value="300" selected>' in alice.page
    assert alice.send(f"{base}/settings/poll", poll="7").status == 400
    alice.open(base)
    alice.send(f"{base}/source", url="git@git.example.org:team/app.git")
    assert "ssh-ed25519 " in alice.page
    assert 'value="main"' in alice.page, "rules stay when the address changes"


def test_a_build_is_watched_while_it_runs_without_a_script(yard):
    alice, base = build_settings(yard)
    alice.open(f"{base}/settings")
    alice.send(f"{base}/settings/rules", **RULE)
    alice.open(base)
    assert alice.send(f"{base}/start", kind="branch", ref="other").status == 400
    assert "no rule is about the branch other" in alice.page.lower()
    started = alice.send(f"{base}/start", kind="branch", ref="main", follow=False)
    page = started.headers["Location"].partition("?")[0]
    number = int(page.rpartition("/")[2])
    log = yard.root / "builds" / f"{number}.log"
    log.write_text("Step 1 <b>\n")
    cookie = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
    connection = http.client.HTTPConnection("127.0.0.1", yard.port, timeout=20)
    connection.request("GET", page, headers={"Cookie": cookie})
    answer = connection.getresponse()
    seen = b""
    while b"Step 1 &lt;b&gt;" not in seen:
        seen += answer.read1()
    assert b"Pending" in seen
    assert b"</html>" not in seen
    with log.open("a") as out:
        out.write("Step 2 ö\n")
    while "Step 2 ö".encode() not in seen:
        seen += answer.read1()
    yard.database.write_now(lambda c: queue.finish(c, number, State.SUCCESS, digest="sha256:1"))
    seen += answer.read()
    assert b"Build success." in seen
    assert seen.rstrip().endswith(b"</html>")
    assert "script" not in answer.headers["Content-Security-Policy"]
    connection.close()
    alice.open(page)
    assert "Step 1 &lt;b&gt;" in alice.page
    assert "Build again" in alice.page
    text = alice.open(f"{page}/log")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.body.decode() == "Step 1 <b>\nStep 2 ö\n"
    # again, and cancelled before it begins
    alice.open(page)
    alice.send(f"{page}/again", follow=False)
    second = f"{base}/{number + 1}"
    alice.open(base)
    alice.send(f"{second}/cancel")
    assert "cancelled before it began" in alice.page
    alice.open(base)
    assert alice.send(f"{second}/cancel").status == 409


@pytest.mark.parametrize("loss", ["role", "session"])
def test_who_loses_the_right_sees_no_more_of_a_log(yard, loss):
    alice, base = build_settings(yard)
    alice.open(f"{base}/settings")
    alice.send(f"{base}/settings/rules", **RULE)
    alice.open("/r/alice/built/collaborators")
    alice.send("/r/alice/built/collaborators", name="eve", role="admin")
    alice.open(base)
    started = alice.send(f"{base}/start", kind="branch", ref="main", follow=False)
    page = started.headers["Location"].partition("?")[0]
    number = int(page.rpartition("/")[2])
    log = yard.root / "builds" / f"{number}.log"
    log.write_text("Step 1\n")
    eve = Visitor(yard, "eve")
    cookie = "; ".join(f"{name}={value}" for name, value in eve.cookies.items())
    connection = http.client.HTTPConnection("127.0.0.1", yard.port, timeout=20)
    connection.request("GET", page, headers={"Cookie": cookie})
    answer = connection.getresponse()
    seen = b""
    while b"Step 1" not in seen:
        seen += answer.read1()
    if loss == "role":
        alice.open("/r/alice/built/collaborators")
        alice.send("/r/alice/built/collaborators", name="eve", role="none")
    else:
        eve.open("/")
        eve.send("/logout")
    with log.open("a") as out:
        out.write("Step 2, which isn't for eve\n")
    seen += answer.read()
    connection.close()
    assert b"Step 2" not in seen
    assert seen.rstrip().endswith(b"</html>")
    alice.open(base)
    alice.send(f"{page}/cancel")


def test_builds_by_the_api_and_by_a_git_server(yard):
    alice, base = Tool(yard, "alice"), "/v2/repositories/alice/app"
    assert alice.call("GET", f"{base}/autobuild").status == 404
    wrong = alice.call("PUT", f"{base}/autobuild", source_url="https://u:p@h/x")
    assert wrong.status == 400
    rules = [{"source": "main", "docker_tag": "m"},
             {"source": "slow", "docker_tag": "s", "autobuild": False}]  # fmt: skip
    source = alice.call(
        "PUT",
        f"{base}/autobuild",
        source_url="https://git.example.org/a.git",
        build_settings=rules,
        envvars={"A": "1"},
        poll_interval=0,
    ).json
    assert source["envvars"] == {"A": "1"}
    assert alice.call("PUT", f"{base}/autobuild", poll_interval=60).json == {
        **source,
        "poll_interval": 60,
    }
    hook = source["trigger_url"].partition("/hooks/")[2]

    def tell(ref, secret=source["trigger_secret"], path=f"/hooks/{hook}"):
        body = json.dumps({"ref": ref, "after": "a" * 40}).encode()
        proof = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return yard.call("POST", path, body, X_GitHub_Event="push", X_Hub_Signature_256=proof)

    told = tell("refs/heads/main")
    assert told.status == 202
    (number,) = told.json["builds"]
    assert tell("refs/heads/slow").json == {"builds": []}, "built when somebody asks"
    refused = tell("refs/heads/main", secret="wrong")
    unknown = tell("refs/heads/main", path="/hooks/0")
    assert refused.status == unknown.status == 403
    assert refused.body == unknown.body
    big = yard.call("POST", f"/hooks/{hook}", b"x" * (9 << 20))
    assert big.status == 400
    found = alice.call("GET", f"{base}/builds/{number}").json
    assert (found["state"], found["cause"], found["docker_tag"]) == ("pending", "push", "m")
    assert found["commit"] == "a" * 40
    made = alice.call("POST", f"{base}/builds", source_name="slow")
    assert made.status == 202
    assert made.json["builds"][0]["requested_by"] == "alice"
    assert alice.call("POST", f"{base}/builds", source_name="none").status == 400
    assert alice.call("GET", f"{base}/builds").json["count"] == 2
    assert alice.call("POST", f"{base}/builds/{number}/cancel").status == 202
    assert alice.call("GET", f"{base}/builds/{number}").json["state"] == "cancelled"
    assert alice.call("GET", f"{base}/builds/{number}/log").body == b""
    other = Tool(yard, "alice").call("GET", f"/v2/repositories/alice/built/builds/{number}")
    assert other.status == 404, "another repository's build"
    assert alice.call("DELETE", f"{base}/autobuild").status == 204
    assert tell("refs/heads/main").status == 403


def test_secrets_are_sealed_in_the_database(yard):
    held = b"".join(path.read_bytes() for path in yard.root.glob("hub.db*"))
    assert b"WORD=<ahoy>" not in held
    assert b"PRIVATE KEY" not in held
