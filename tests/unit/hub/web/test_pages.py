"""The site as a browser without scripts uses it: forms, cookies, redirects."""

import re

import pytest

from sampan.hub.accounts import users
from sampan.hub.web.pages import Pages, ago, count_text, size_text
from sampan.hub.web.visit import local_path
from unit.hub.whole import PASSWORD, Visitor, WholeHub


@pytest.fixture
def alice(harbour):
    return Visitor(harbour, "alice")


@pytest.fixture
def eve(harbour):
    return Visitor(harbour, "eve")


def test_signing_up_and_the_first_account(tmp_path):
    with WholeHub(tmp_path) as hub:
        visitor = Visitor(hub)
        visitor.open("/signup")
        assert visitor.send("/signup", name="x", password=PASSWORD).status == 400
        assert "2 to 30 lower-case letters" in visitor.page
        assert visitor.send("/signup", name="carol", password="short").status == 400
        assert "at least 8" in visitor.page
        answer = visitor.send("/signup", name="carol", password=PASSWORD, email="c@example.org")
        assert answer.status == 200
        assert "Welcome aboard" in visitor.page
        assert visitor.open("/admin").status == 200, "the first account administers the hub"
        other = Visitor(hub)
        other.open("/signup")
        assert other.send("/signup", name="carol", password=PASSWORD).status == 400
        assert "taken" in other.page
        other.send("/signup", name="dave", password=PASSWORD)
        assert other.open("/admin").status == 403
        # administration: add, switch off, make admin, remove
        visitor.open("/admin/users")
        assert (
            "frank" in visitor.send("/admin/users", name="frank", password=PASSWORD).body.decode()
        )
        visitor.send("/admin/users/dave", action="off")
        assert other.open("/settings").status == 303, "a switched-off account is signed out"
        visitor.open("/admin/users")
        assert visitor.send("/admin/users/carol", action="remove").status == 409
        assert visitor.send("/admin/users/dave", action="remove").status == 200
        assert "dave" not in visitor.page
        visitor.open("/admin")
        assert "Removed 0 blobs" in visitor.send("/admin/collect").body.decode()


def test_a_closed_hub_signs_nobody_up(tmp_path):
    with WholeHub(tmp_path, sign_up="closed") as hub:
        visitor = Visitor(hub)
        visitor.open("/")
        assert "/signup" not in visitor.page
        assert visitor.open("/signup").status == 403
        visitor.open("/login")
        assert visitor.send("/signup", name="carol", password=PASSWORD).status == 403


def test_signing_in_and_out(harbour):
    visitor = Visitor(harbour)
    assert visitor.open("/settings").headers["Location"] == "/login?next=%2Fsettings"
    visitor.open("/login?next=%2Fsettings")
    assert visitor.send("/login", name="bob", password="wrong-one").status == 401
    assert "Incorrect username or password" in visitor.page
    first = visitor.send("/login", name="bob", password=PASSWORD, next="/settings", follow=False)
    assert first.headers["Location"] == "/settings"
    cookie = next(c for c in first.headers.get_all("Set-Cookie") if c.startswith("sampan_session"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    session = visitor.cookies["sampan_session"]
    assert visitor.open("/settings").status == 200
    visitor.send("/logout")
    assert "sampan_session" not in visitor.cookies
    visitor.cookies["sampan_session"] = session
    assert visitor.open("/settings").status == 303, "a closed session doesn't come back"


def test_nothing_in_the_database_opens_a_session(harbour, alice):
    from sqlalchemy import select

    from sampan.hub.accounts.schema import sessions

    kept = harbour.database.read_now(
        lambda connection: [row.fingerprint for row in connection.execute(select(sessions))]
    )
    assert kept
    assert alice.cookies["sampan_session"] not in kept
    alice.cookies["sampan_session"] = kept[-1]
    assert alice.open("/settings").status == 303


FORMS = [
    ("/new", {"namespace": "alice", "name": "by-fraud", "visibility": "public"}),
    ("/settings", {"full_name": "Fraud"}),
    ("/settings/password", {"password": PASSWORD, "new_password": "fraud-fraud-1"}),
    ("/settings/tokens", {"label": "x", "scope": "repo:admin", "life": ""}),
    ("/organisations/new", {"name": "fraud"}),
    ("/logout", {}),
    ("/login", {"name": "alice", "password": PASSWORD}),
    ("/signup", {"name": "fraud2", "password": PASSWORD}),
    ("/theme", {"theme": "dark"}),
    ("/r/alice/formed/remove", {"confirm": "alice/formed"}),
    ("/r/alice/formed/star", {"on": "yes"}),
    ("/u/yard/members", {"member": "eve", "role": "owner"}),
    ("/admin/users", {"name": "fraud3", "password": PASSWORD}),
]


@pytest.mark.parametrize(("path", "fields"), FORMS, ids=[path for path, _ in FORMS])
def test_no_form_works_without_its_token(harbour, alice, eve, path, fields):
    """None, nonsense, and the token of somebody else's session."""
    eve.open("/settings")
    for token in ("", "0" * 64, eve.form_token):
        alice.open("/settings")
        answer = alice.send(path, follow=False, **{**fields, "form_token": token})
        assert answer.status == 403, path
        assert "out of date" in alice.page


def test_every_form_of_every_page_carries_a_token(harbour, alice):
    harbour.push("alice/formed", "v1", who="alice")
    for path in PAGES:
        assert alice.open(path).status == 200, path
        forms = re.findall(r'<form[^>]*method="post".*?</form>', alice.page, re.DOTALL)
        assert forms
        assert all('name="form_token"' in form for form in forms), path


PAGES = [
    *("/", "/explore", "/new", "/settings", "/settings/tokens", "/organisations/new", "/u/alice"),
    *("/r/alice/formed", "/r/alice/formed/tags", "/r/alice/formed/tags/v1", "/u/yard"),
    *("/r/alice/formed/settings", "/r/alice/formed/collaborators", "/u/yard/members"),
    *("/u/yard/teams", "/u/yard/teams/crew", "/u/yard/settings"),
]


def test_pages_are_strict_and_load_nothing_from_elsewhere(harbour, alice):
    for path in PAGES:
        answer = alice.open(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "<script" not in alice.page
        assert " style=" not in alice.page
        loaded = re.findall(r'(?:src|rel="stylesheet" href)="([^"]+)"', alice.page)
        assert all(each.startswith(("/", "data:")) for each in loaded)
        assert alice.page.count("<h1") == 1, path
        labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', alice.page))
        fields = re.findall(r'<(?:input|select|textarea)[^>]* id="([^"]+)"', alice.page)
        assert set(fields) <= labelled, path
    assert harbour.call("GET", "/static/hub.css").status == 200
    for bad in ("/static/../pages.py", "/static/%2e%2e%2fpages.py", "/static/none"):
        assert harbour.call("GET", bad).status == 404


def test_a_repository_s_pages(harbour, alice, eve):
    alice.open("/new")
    answer = alice.send(
        "/new", namespace="alice", name="chart", description="Sea charts", visibility="private"
    )
    assert answer.status == 200
    assert "Sea charts" in alice.page
    alice.open("/new")
    assert alice.send("/new", namespace="alice", name="chart").status == 400
    assert "There is a repository alice/chart already" in alice.page
    assert alice.send("/new", namespace="bob", name="chart").status == 400
    base = "/r/alice/chart"
    for path in ("", "/tags", "/tags/v1", "/settings", "/collaborators"):
        assert eve.open(base + path).status == 404
        assert Visitor(harbour).open(base + path).status in {303, 404}
    alice.open(base + "/settings")
    alice.send(base + "/settings", description="Charts", full_description="# North\n<b>x</b>")
    assert alice.open(base).status == 200
    assert "<h1>North</h1>" in alice.page
    assert "<b>x</b>" not in alice.page
    alice.open(base + "/settings")
    assert alice.send(base + "/settings", description="x" * 101).status == 400
    # sharing: eve reads, then administers, then nothing
    alice.open(base + "/collaborators")
    alice.send(base + "/collaborators", name="eve", role="read")
    assert eve.open(base).status == 200
    assert eve.open(base + "/settings").status == 403
    eve.open(base)
    assert f'href="{base}/settings"' not in eve.page
    alice.open(base + "/collaborators")
    alice.send(base + "/collaborators", name="eve", role="admin")
    assert eve.open(base + "/settings").status == 200
    assert eve.send(base + "/remove", confirm="alice/chart").status == 403
    alice.open(base + "/collaborators")
    assert alice.send(base + "/collaborators", name="ghost", role="read").status == 400
    assert alice.send(base + "/collaborators", name="alice", role="read").status == 400
    alice.send(base + "/collaborators", name="eve", role="none")
    assert eve.open(base).status == 404
    # visibility, star, removal with the name typed
    alice.open(base + "/settings")
    alice.send(base + "/visibility", visibility="public")
    eve.open(base)
    eve.send(base + "/star", on="yes")
    assert 'aria-pressed="true"' in eve.page
    eve.open("/")
    assert "alice/chart" in eve.page
    alice.open(base + "/settings")
    assert alice.send(base + "/remove", confirm="chartt").status == 400
    assert alice.send(base + "/remove", confirm="alice/chart").status == 200
    assert alice.open(base).status == 404


def test_tags_are_shown_and_removed_after_a_question(harbour, alice, eve):
    for tag in ("one", "two", "three"):
        digest, layer = harbour.push("alice/tagpage", tag, who="alice")
    base = "/r/alice/tagpage/tags"
    eve.open(base)
    host = f"127.0.0.1:{harbour.port}"
    assert f"docker pull {host}/alice/tagpage:one" in eve.page
    assert digest in eve.page
    assert "linux/arm64" in eve.page
    assert eve.page.index(">three<") < eve.page.index(">one<")
    eve.open(base + "?sort=oldest&filter=t")
    assert ">one<" not in eve.page
    assert eve.page.index(">two<") < eve.page.index(">three<")
    assert eve.open(base + "/one").status == 200
    assert layer.partition(":")[2][:12] in eve.page
    assert eve.open(base + "/four").status == 404
    assert eve.send(base + "/remove", tag="one", sure="yes").status == 403
    alice.open(base)
    assert "Remove 2 tags?" in alice.send(base + "/remove", tag=["one", "two"]).body.decode()
    alice.send(base + "/remove", tag=["one", "two"], sure="yes")
    assert ">one<" not in alice.page
    assert ">three<" in alice.page


def test_access_tokens_are_shown_once(harbour, alice):
    alice.open("/settings/tokens")
    assert alice.send("/settings/tokens", label="", scope="repo:read", life="30").status == 400
    assert alice.send("/settings/tokens", label="x", scope="root", life="30").status == 400
    assert alice.send("/settings/tokens", label="x", scope="repo:read", life="9").status == 400
    alice.send("/settings/tokens", label="laptop", scope="repo:read", life="30")
    secret = re.search(r"smp_pat_[\w-]+", alice.page)[0]
    alice.open("/settings/tokens")
    assert "laptop" in alice.page
    assert secret not in alice.page
    assert harbour.token(who="alice", secret=secret)
    path = re.search(r"/settings/tokens/([0-9a-f-]{36})/switch", alice.page)[1]
    alice.send(f"/settings/tokens/{path}/switch", on="no")
    assert "Switch on" in alice.page
    alice.send(f"/settings/tokens/{path}/remove")
    assert "laptop" not in alice.page
    bare = Visitor(harbour)
    bare.open("/login")
    assert bare.send("/login", name="alice", password=secret).status == 401, "no tokens here"


def test_a_new_password_ends_other_sessions(harbour):
    here, there = Visitor(harbour, "bob"), Visitor(harbour, "bob")
    here.open("/settings")
    wanted = "another-Pass-1"
    wrong = here.send("/settings/password", password="not it at all", new_password=wanted)
    assert wrong.status == 400
    assert here.send("/settings/password", password=PASSWORD, new_password="bob").status == 400
    here.send("/settings/password", password=PASSWORD, new_password=wanted)
    assert here.open("/settings").status == 200
    assert there.open("/settings").status == 303
    harbour.database.write_now(
        lambda connection: users.set_password(
            connection,
            users.get(connection, "bob").id,
            harbour.services.passwords.hash(PASSWORD),
        )
    )


def test_organisation_pages(harbour, alice, eve):
    eve.open("/organisations/new")
    assert eve.send("/organisations/new", name="library").status == 400
    assert eve.send("/organisations/new", name="alice").status == 400
    eve.send("/organisations/new", name="evecorp", full_name="Eve & Co")
    assert "Eve &amp; Co" in eve.page
    assert alice.open("/u/evecorp/members").status == 404
    assert alice.open("/u/evecorp").status == 200
    eve.open("/u/evecorp/members")
    eve.send("/u/evecorp/members", member="alice", role="member")
    assert alice.open("/u/evecorp/members").status == 200
    assert alice.send("/u/evecorp/members", member="alice", role="owner").status == 403
    assert alice.open("/u/evecorp/settings").status == 403
    eve.open("/u/evecorp/members")
    assert eve.send("/u/evecorp/members", member="eve", role="none").status == 400
    assert "last owner" in eve.page
    eve.open("/u/evecorp/teams")
    eve.send("/u/evecorp/teams", team="ops", description="")
    eve.send("/u/evecorp/teams/ops/members", member="alice")
    assert ">alice<" in eve.page.replace("</span> alice", "</span>>alice<")
    assert eve.send("/u/evecorp/teams/ops/members", member="bob").status == 400
    harbour.push("evecorp/app", "v1", who="eve")
    eve.open("/r/evecorp/app/settings")
    eve.send("/r/evecorp/app/visibility", visibility="private")
    assert alice.open("/r/evecorp/app").status == 404
    eve.open("/r/evecorp/app/collaborators")
    eve.send("/r/evecorp/app/collaborators/teams", team="ops", role="write")
    assert alice.open("/r/evecorp/app").status == 200
    assert "docker push" in alice.page
    eve.open("/u/evecorp/settings")
    assert eve.send("/u/evecorp/remove", confirm="evecorp").status == 400
    assert "still owns 1 repository" in eve.page


def test_the_theme_is_remembered(harbour):
    visitor = Visitor(harbour)
    visitor.open("/explore")
    assert "data-theme" not in visitor.page
    visitor.send("/theme", theme="dark", next="/explore")
    assert 'data-theme="dark"' in visitor.page
    visitor.send("/theme", theme="system", next="/explore")
    assert "data-theme" not in visitor.page


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/settings?a=b", "/settings?a=b"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_redirects_stay_here(given, path):
    assert local_path(given) == path


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHN2Zz4=)",
        "![x](https://evil.example/track.png)",
        '<a href="x" onclick="alert(1)">x</a>',
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "<svg/onload=alert(1)>",
        "```\n</code><script>x</script>\n```",
    ],
)
def test_hostile_markdown(text):
    html = str(Pages().markdown(text))
    for forbidden in ("<script", "<svg", "<iframe", 'href="javascript', 'href="data:'):
        assert forbidden not in html
    assert not re.search(r"<[^>]*\son\w+=", html)
    assert not re.search(r'<img[^>]*src="https?:', html)


def test_markdown():
    html = str(Pages().markdown("# A\n\n[b](https://b.example) `c`\n\n| x |\n|---|\n| ~~y~~ |"))
    assert "<h1>A</h1>" in html
    assert 'href="https://b.example"' in html
    assert "noopener" in html
    assert "<td><s>y</s></td>" in html


def test_small_words():
    assert [size_text(n) for n in (0, 999, 1500, 4157326, 10**13)] == [
        *("0 B", "999 B", "1.5 kB", "4.2 MB", "10.0 TB")
    ]
    assert [count_text(n) for n in (7, 1200, 3_400_000)] == ["7", "1.2K", "3.4M"]
    assert ago(None) == "never"
    assert ago(1) != ago(None)
