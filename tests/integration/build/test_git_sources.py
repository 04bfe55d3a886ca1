"""Repositories as contexts and ADD sources: fetched by the engine from a server on loopback."""

import http.client
import http.server
import json
import os
import shutil
import subprocess
import threading
from urllib.parse import urlencode

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
]

IDENTITY = {
    f"GIT_{who}_{what}": "t@localhost"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}


def git(folder, *arguments):
    found = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "-C", folder, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **IDENTITY},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def commit(folder, files, message="m"):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD")


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A bare repository behind git's plain HTTP protocol, with a submodule and a branch."""
    root = tmp_path_factory.mktemp("git")
    handler = lambda *args: _Files(*args, directory=str(root))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for name in ("lib", "app", "evil"):
        (root / name).mkdir()
        git(root / name, "init", "-q", "-b", "main")
    commit(root / "lib", {"lib.txt": "lib\n"})
    git(root, "clone", "-q", "--bare", "lib", "lib.git")
    git(root / "lib.git", "update-server-info")
    git(root / "app", "submodule", "--quiet", "add", f"{url}/lib.git", "vendor")
    first = commit(
        root / "app",
        {"Dockerfile": "FROM busybox\nCOPY . /o/\n", "a.txt": "main\n", "sub/s.txt": "s\n"},
    )
    git(root / "app", "checkout", "-qb", "feature")
    commit(
        root / "app",
        {"a.txt": "feature\n", "sub/Dockerfile": "FROM busybox\nCOPY s.txt /o/s\n"},
    )
    git(root, "clone", "-q", "--bare", "app", "app.git")
    git(root / "app.git", "symbolic-ref", "HEAD", "refs/heads/main")
    git(root / "app.git", "update-server-info")
    (root / "evil" / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = file://{root}/lib.git\n'
    )
    (root / "evil" / "way").symlink_to("/etc")
    oid = git(root / "lib", "rev-parse", "HEAD")
    git(root / "evil", "update-index", "--add", "--cacheinfo", f"160000,{oid},x")
    git(root / "evil", "add", "way", ".gitmodules")
    git(root / "evil", "commit", "-qm", "m")
    git(root, "clone", "-q", "--bare", "evil", "evil.git")
    git(root / "evil.git", "update-server-info")
    yield url, first
    server.shutdown()
    server.server_close()


def build_remote(engine, remote, tag):
    connection = engine.http()
    connection.request("POST", "/build?" + urlencode({"remote": remote, "t": tag}))
    body = connection.getresponse().read().decode()
    connection.close()
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def test_remote_contexts(engine, repository, shown):
    url, first = repository
    said = build_remote(engine, f"{url}/app.git", "t-git")
    assert "error" not in said[-1], said
    assert shown("t-git", "cat", "/o/a.txt", "/o/vendor/lib.txt") == "main\nlib\n"
    assert shown("t-git", "sh", "-c", "find /o -name .git") == ""
    said = build_remote(engine, f"{url}/app.git#feature:sub", "t-git")
    assert "error" not in said[-1], said
    assert shown("t-git", "ls", "/o") == "s\n"
    build_remote(engine, f"{url}/app.git#{first}", "t-git")
    assert shown("t-git", "cat", "/o/a.txt") == "main\n"
    said = build_remote(engine, f"{url}/app.git#nosuch", "t-git")
    assert "failed to fetch remote" in json.dumps(said[-1])
    said = build_remote(engine, f"{url}/app.git#main:../..", "t-git")
    assert "Successfully" in json.dumps(said[-1]), "a folder above is the repository's root"


def test_add_of_a_repository(built, repository, shown):
    url, first = repository
    built(f"FROM busybox\nADD {url}/app.git#feature /o/\n", "-t", "t-add-git")
    assert shown("t-add-git", "cat", "/o/a.txt") == "feature\n"
    assert shown("t-add-git", "sh", "-c", "ls -d /o/.git 2>/dev/null; true") == ""
    built(
        f"FROM busybox\nADD --keep-git-dir=true --checksum={first} {url}/app.git /o/\n",
        *("-t", "t-add-git"),
    )
    assert shown("t-add-git", "ls", "-d", "/o/.git/HEAD") == "/o/.git/HEAD\n"
    done = built(f"FROM busybox\nADD --checksum=abcdef0 {url}/app.git /o/\n", check=False)
    assert "expected checksum to match abcdef0" in done.stderr


def test_a_repository_can_not_name_files_of_the_engine(built, repository):
    url, _ = repository
    done = built(f"FROM busybox\nADD {url}/evil.git /o/\n", check=False)
    assert "transport 'file' not allowed" in done.stderr
    done = built("FROM busybox\nADD file:///etc/passwd /o/\n", check=False)
    assert done.returncode != 0


def test_downloads_with_a_checksum(built, repository, shown):
    url, _ = repository
    page = f"{url}/app.git/HEAD"
    right = "sha256:28d25bf82af4c0e2b72f50959b2beb859e3e60b9630a5e8c603dad4ddb2b6e80"
    built(f"FROM busybox\nADD --checksum={right} {page} /head\n", "-t", "t-sum")
    assert shown("t-sum", "cat", "/head") == "ref: refs/heads/main\n"
    wrong = "sha256:" + "0" * 64
    done = built(f"FROM busybox\nADD --checksum={wrong} {page} /head\n", check=False)
    assert "digest mismatch" in done.stderr
    assert right in done.stderr
