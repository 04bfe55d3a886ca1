"""The queue, the runner, polling and checking out: in virtual time, with local repositories."""

import asyncio
import os
import subprocess
import tarfile
from ipaddress import ip_network

import anyio
import pytest
from cryptography.fernet import Fernet

from sampan.errors import Conflict
from sampan.hub.accounts import schema as accounts
from sampan.hub.accounts import users
from sampan.hub.automation import schema
from sampan.hub.automation.addresses import AddressGuard, AddressRefused
from sampan.hub.automation.builds import queue, sources
from sampan.hub.automation.builds.checkout import Checkout, RefGone
from sampan.hub.automation.builds.context import NoContext, NoDockerfile, pack
from sampan.hub.automation.builds.logs import BuildLogs
from sampan.hub.automation.builds.polling import Poller, enqueue_matching
from sampan.hub.automation.builds.queue import State, Trigger
from sampan.hub.automation.builds.remotes import BadRemote, Remote, parse_remote
from sampan.hub.automation.builds.rules import Ref, Rule
from sampan.hub.automation.builds.runner import BuildRunner
from sampan.hub.automation.builds.work import Ending
from sampan.hub.automation.sealing import Sealer
from sampan.hub.db import schema as registry
from sampan.hub.db.engine import Database, default_url
from sampan.hub.db.migrations import migrate
from sampan.hub.v2 import repositories
from sampan.lib.git import GitFailed
from sampan.lib.workers import Workers

SEALER = Sealer(Fernet.generate_key())
MAIN = Ref("branch", "main")


@pytest.fixture
def database(tmp_path):
    found = Database(default_url(tmp_path), Workers())
    migrate(found, [registry.PART, accounts.PART, schema.PART])
    found.write_now(lambda c: users.create(c, "alice", password_hash="x"))
    found.write_now(lambda c: repositories.ensure(c, "alice/app", is_private=False))
    yield found
    found.close()


def enqueue(database, tag="latest", ref=MAIN):
    rule = Rule(ref.kind, ref.name, tag)
    return database.write_now(
        lambda c: queue.enqueue(c, 1, ref, rule, tag, trigger=Trigger.PUSH, commit="c")
    )


def states(database):
    listed = database.read_now(lambda c: queue.list_builds(c, 1))[0]
    return {each.id: each.state for each in listed}


def test_one_build_of_a_tag_at_a_time_the_oldest_first(database):
    first, other = enqueue(database), enqueue(database, "edge")
    assert enqueue(database) == first, "one that waits for the same isn't queued twice"
    assert database.write_now(queue.claim).id == first
    second = enqueue(database)
    assert second != first
    assert database.write_now(queue.claim).id == other
    assert database.write_now(queue.claim) is None, "its tag is being built"
    database.write_now(lambda c: queue.finish(c, first, State.SUCCESS, digest="sha256:1"))
    assert database.write_now(queue.claim).id == second


def test_a_build_under_way_at_a_crash_is_taken_up_again_three_times_at_most(database):
    build = enqueue(database)
    for attempt in (1, 2, 3):
        claimed = database.write_now(queue.claim)
        assert (claimed.id, claimed.attempts) == (build, attempt)
        again = database.write_now(queue.recover)
        assert [each.id for each in again] == ([build] if attempt < 3 else [])
    found = database.read_now(lambda c: queue.get(c, build))
    assert (found.state, found.reason) == ("error", "cut off 3 times")


def test_cancelling(database):
    waiting, running = enqueue(database, "a"), enqueue(database, "b")

    def cancel(connection, build_id):
        queue.request_cancel(connection, queue.get(connection, build_id))

    database.write_now(queue.claim)
    database.write_now(lambda c: cancel(c, running))
    assert states(database) == {waiting: "in progress", running: "cancelled"}
    database.write_now(lambda c: cancel(c, waiting))
    assert states(database)[waiting] == "in progress", "until its runner has stopped it"
    assert not database.write_now(queue.recover), "a crash doesn't undo the wish"
    assert states(database)[waiting] == "cancelled"
    with pytest.raises(Conflict, match="ended already: cancelled"):
        database.write_now(lambda c: cancel(c, waiting))


class Slow:
    """Work that ends when it is told to."""

    def __init__(self):
        self.running, self.most, self.release = set(), 0, anyio.Event()
        self.started = anyio.Event()

    async def run(self, build):
        self.running.add(build.id)
        self.most = max(self.most, len(self.running))
        self.started.set()
        try:
            await self.release.wait()
        finally:
            self.running.discard(build.id)
        if build.tag == "bad":
            raise RuntimeError("broken")
        return Ending(State.SUCCESS, digest="sha256:d")


async def until(condition):
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - what the database says has no event
            await anyio.sleep(0.01)


def runner(database, tmp_path, work, parallel=2):
    workers = Workers()
    (tmp_path / "builds").mkdir(exist_ok=True)
    return BuildRunner(
        database=database,
        workers=workers,
        work=work,
        logs=BuildLogs(tmp_path / "builds", workers),
        scratch=tmp_path / "builds" / "scratch",
        parallel=parallel,
    )


def test_the_runner_is_bounded_cancels_and_outlives_what_breaks(database, tmp_path):
    ids = [enqueue(database, tag) for tag in ("a", "bad", "c", "d")]

    async def run():
        work = Slow()
        found = runner(database, tmp_path, work)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.run)
            await until(lambda: work.running == set(ids[:2]))
            await database.write(lambda c: queue.request_cancel(c, queue.get(c, ids[0])))
            found.cancel(ids[0])
            await until(lambda: work.running == {ids[1], ids[2]})
            work.release.set()
            await until(lambda: "pending" not in states(database).values())
            await until(lambda: "in progress" not in states(database).values())
            tasks.cancel_scope.cancel()
        assert work.most == 2

    asyncio.run(run())
    assert states(database) == dict(
        zip(ids, ["cancelled", "error", "success", "success"], strict=True)
    )


def test_what_runs_when_the_hub_stops_stays_in_progress(database, tmp_path):
    build = enqueue(database)

    async def run():
        work = Slow()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runner(database, tmp_path, work).run)
            await work.started.wait()
            tasks.cancel_scope.cancel()

    asyncio.run(run())
    assert states(database)[build] == "in progress"


def test_logs_are_plain_bounded_and_go_with_their_builds(database, tmp_path, monkeypatch):
    monkeypatch.setattr("sampan.hub.automation.builds.logs.MOST_BYTES", 60)
    logs = BuildLogs(tmp_path, Workers())

    async def run():
        out = logs.writer(7)
        out.write("\x1b[31mred\x1b[0m\r\n\x00a\x1b]0;title\x07b\n")
        await out.flush()
        for _ in range(9):
            out.write("0123456789\n")
            await out.flush()

    asyncio.run(run())
    text = logs.read(7).decode()
    assert text.startswith("red\nab\n0123456789\n")
    assert text.endswith("[the log is too long: the rest isn't kept]\n")
    assert len(text) < 120
    assert logs.read(7, 4, 2) == b"ab"
    assert logs.read(8) == b""
    assert logs.list_ids() == [7]


def git(folder, *words):
    named = {f"GIT_{a}_{b}": "a@b.c" for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")}
    environment = {**os.environ, **named, "GIT_CONFIG_GLOBAL": "/dev/null"}
    words = ("-c", "protocol.file.allow=always", *words)
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path)


def make_repository(tmp_path):
    folder = tmp_path / "open" / "app"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "x.txt").write_text("x")
    (folder / "out").symlink_to("/etc")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "-a", "v1", "-m", "annotated")
    return folder


def checkout(tmp_path, *networks):
    return Checkout(
        guard=AddressGuard(networks),
        folders=(tmp_path / "open",),
        known_hosts=tmp_path / "known_hosts",
        workers=Workers(),
    )


def scratch(tmp_path, name="scratch"):
    found = tmp_path / name
    found.mkdir()
    return found


def test_checking_out_branches_tags_and_submodules(tmp_path, repository):
    inner = tmp_path / "open" / "inner"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    (inner / "deep.txt").write_text("deep")
    git(inner, "add", "-A")
    git(inner, "commit", "-q", "-m", "inner")
    git(repository, "submodule", "--quiet", "add", f"file://{inner}", "module")
    git(repository, "commit", "-q", "-m", "two")
    remote = parse_remote(f"file://{repository}", [tmp_path / "open"])
    found = checkout(tmp_path)
    tree = asyncio.run(found.tree(remote, MAIN, scratch(tmp_path), key=""))
    assert tree.commit == git(repository, "rev-parse", "HEAD")
    assert (tree.path / "module" / "deep.txt").read_text() == "deep"
    assert not list(tree.path.rglob(".git"))
    old = asyncio.run(found.tree(remote, Ref("tag", "v1"), scratch(tmp_path, "b"), key=""))
    assert old.commit == git(repository, "rev-parse", "v1^{commit}")
    assert not (old.path / "module").exists()
    with pytest.raises(RefGone, match="no branch gone"):
        asyncio.run(found.tree(remote, Ref("branch", "gone"), scratch(tmp_path, "c"), key=""))
    refs = asyncio.run(found.refs(remote, scratch(tmp_path, "d"), key=""))
    assert refs["refs/tags/v1"] == old.commit, "the commit, not the annotated tag"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_local_repository_may_be_anybody_s(tmp_path, repository):
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    remote = parse_remote(f"file://{repository}", [tmp_path / "open"])
    tree = asyncio.run(checkout(tmp_path).tree(remote, MAIN, scratch(tmp_path), key=""))
    assert (tree.path / "sub" / "x.txt").read_text() == "x"


def test_a_submodule_can_t_name_a_file_of_this_machine(tmp_path, repository):
    secret = tmp_path / "closed"
    secret.mkdir()
    git(secret, "init", "-q", "-b", "main")
    git(secret, "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "submodule", "--quiet", "add", f"file://{secret}", "module")
    git(repository, "commit", "-q", "-m", "two")
    remote = parse_remote(f"file://{repository}", [tmp_path / "open"])
    with pytest.raises(BadRemote, match="file URLs are closed"):
        asyncio.run(checkout(tmp_path).tree(remote, MAIN, scratch(tmp_path), key=""))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x.git", "https://169.254.169.254/x", "ssh://localhost/x"]
)
def test_sources_on_this_machine_are_refused(tmp_path, url):
    with pytest.raises(AddressRefused):
        asyncio.run(checkout(tmp_path).refs(parse_remote(url), scratch(tmp_path), key=""))


def test_git_goes_to_the_address_that_was_checked(tmp_path):
    """The name means nothing to this machine's resolver: only what the guard found is used."""

    async def run():
        asked = asyncio.Event()
        lines = []

        async def serve(reader, writer):
            lines.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                         b"Content-Length: 0\r\nConnection: close\r\n\r\n")  # fmt: skip
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            asked.set()

        async def resolve(host, port):
            return ["127.0.0.2"]

        server = await asyncio.start_server(serve, "127.0.0.2", 0)
        port = server.sockets[0].getsockname()[1]
        found = checkout(tmp_path)
        found._guard = AddressGuard([ip_network("127.0.0.2")], resolve=resolve)
        remote = parse_remote(f"http://git.invalid:{port}/app.git")
        with pytest.raises(GitFailed, match=r"302|redirect"):
            await found.refs(remote, scratch(tmp_path), key="")
        await asked.wait()
        server.close()
        assert f"Host: git.invalid:{port}".encode() in lines[0]

    asyncio.run(run())


@pytest.mark.parametrize(
    "text",
    [
        *("", "ext::sh -c x", "--upload-pack=x", "file:///etc", "https://u:p@h/x", "https://h/"),
        *("https://u@h/x", "ssh://-oProxyCommand=x/y", "ssh://-x@h/y", "git://h/x", "/etc"),
        *("https://h/x y", "https://h/x?y", "https://h:0/x", "-x@h:y", "h:x", "https://h/x#y"),
    ],
)
def test_addresses_that_are_no_source(text):
    with pytest.raises(BadRemote):
        parse_remote(text)


def test_addresses_of_sources(tmp_path):
    assert parse_remote("https://h.example/a/b.git").port == 443
    assert parse_remote("git@h.example:a/b.git") == Remote(
        "git@h.example:a/b.git", "ssh", "h.example", 22, "/a/b.git"
    )
    assert parse_remote("ssh://git@h.example:2222/a").port == 2222
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "way-out").symlink_to("/etc")
    with pytest.raises(BadRemote):
        parse_remote(f"file://{tmp_path}/open/way-out", [tmp_path / "open"])
    with pytest.raises(BadRemote):
        parse_remote(f"file://{tmp_path}/open/../x", [tmp_path / "open"])


def test_packing_a_context(tmp_path, repository):
    (repository / ".dockerignore").write_text("sub\nDockerfile\n")
    target = tmp_path / "c.tar"
    pack(repository, "/", "Dockerfile", target)
    with tarfile.open(target) as packed:
        names = {each.name: each for each in packed if not each.name.startswith(".git/")}
    assert names.keys() - {".git"} == {".dockerignore", "Dockerfile", "out"}
    assert names["out"].issym()
    assert names["Dockerfile"].uid == 0
    with pytest.raises(NoContext):
        pack(repository, "/nowhere", "Dockerfile", target)
    with pytest.raises(NoContext):
        pack(repository, "/out", "Dockerfile", target)  # a link to /etc ends inside the tree
    with pytest.raises(NoDockerfile):
        pack(repository, "/sub", "Dockerfile", target)


def test_polling_builds_what_moved_and_not_what_was_there(database, tmp_path, repository):
    remote = parse_remote(f"file://{repository}", [tmp_path / "open"])
    folder = scratch(tmp_path)
    clock, queued = [10**18], []

    def link(connection):
        sources.link(connection, 1, remote, who="alice", sealer=SEALER)
        rules = [Rule("branch", "main", "latest"), Rule("tag", "/^v/", "{sourceref}")]
        sources.set_rules(connection, 1, [*rules, Rule("branch", "main", "x", autobuild=False)])
        sources.set_poll(connection, 1, 60)

    database.write_now(link)
    poller = Poller(
        database=database,
        sealer=SEALER,
        checkout=checkout(tmp_path),
        scratch=folder,
        folders=(tmp_path / "open",),
        queued=lambda: queued.append(1),
        clock_ns=lambda: clock[0],
    )
    asyncio.run(poller.round())
    assert not states(database), "the first look only takes note"
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    git(repository, "tag", "v2")
    asyncio.run(poller.round())
    assert not states(database), "not before its time"
    clock[0] += 61 * 10**9
    asyncio.run(poller.round())
    listed = database.read_now(lambda c: queue.list_builds(c, 1))[0]
    assert sorted((each.source_ref, each.tag, each.trigger) for each in listed) == [
        ("main", "latest", "poll"),
        ("v2", "v2", "poll"),
    ]
    assert queued == [1]
    clock[0] += 61 * 10**9
    asyncio.run(poller.round())
    assert len(states(database)) == 2
    git(repository, "commit", "-q", "--allow-empty", "-m", "three")
    commit = git(repository, "rev-parse", "HEAD")

    def told(connection):
        sources.note_ref(connection, 1, "refs/heads/main", commit)
        return enqueue_matching(connection, 1, MAIN, commit, Trigger.PUSH)

    database.write_now(queue.claim)
    database.write_now(queue.claim)
    assert len(database.write_now(told)) == 1
    clock[0] += 61 * 10**9
    asyncio.run(poller.round())
    assert len(states(database)) == 3, "what a trigger told of isn't found again"
    (repository / ".git").rename(repository / "gone")
    clock[0] += 61 * 10**9
    asyncio.run(poller.round())
    found = database.read_now(lambda c: sources.get(c, 1))
    assert "does not appear to be a git repository" in found.poll_error
    assert not list(folder.iterdir())


def test_a_source_that_hangs_or_breaks_keeps_no_other_waiting(database, tmp_path, repository):
    remote = parse_remote(f"file://{repository}", [tmp_path / "open"])
    looked = []

    def link(connection):
        for repository_id in (1, 2, 3):
            if repository_id > 1:
                repositories.ensure(connection, f"team/{repository_id}", is_private=False)
            sources.link(connection, repository_id, remote, who="alice", sealer=SEALER)
            sources.set_poll(connection, repository_id, 60)

    async def run():
        third = anyio.Event()

        async def refs(source):
            looked.append(source.repository_id)
            if source.repository_id == 1:
                await third.wait()
            if source.repository_id == 2:
                raise ValueError("nobody foresaw this")
            third.set()
            return {}

        poller = Poller(
            database=database,
            sealer=SEALER,
            checkout=checkout(tmp_path),
            scratch=tmp_path,
            folders=(),
            queued=lambda: None,
        )
        poller._refs = refs
        with anyio.fail_after(20):
            await poller.round()
            await poller.round()

    database.write_now(link)
    asyncio.run(run())
    assert sorted(looked) == [1, 2, 3], "each once: it isn't due again"
    broken = database.read_now(lambda connection: sources.get(connection, 2))
    assert "went wrong" in broken.poll_error
