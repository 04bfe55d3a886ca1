"""Sources that try to lead git somewhere else than where the hub has looked."""

import asyncio
import subprocess

import pytest

from sampan.hub.automation.addresses import AddressGuard
from sampan.hub.automation.builds.checkout import Checkout
from sampan.hub.automation.builds.remotes import BadRemote, parse_remote
from sampan.hub.automation.builds.rules import Ref
from sampan.lib.workers import Workers

MAIN = Ref("branch", "main")


def git(folder, *words):
    settings = ("-c", "user.name=t", "-c", "user.email=t@e", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


def repository(folder, content):
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "file").write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def link(outer, name, path, source):
    """A submodule as a hostile author writes it: with an index entry made by hand."""
    head = git(source, "rev-parse", "HEAD")
    git(outer, "update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
    with (outer / ".gitmodules").open("a") as out:
        out.write(f'[submodule "{name}"]\n\tpath = "{path}"\n\turl = "file://{source}"\n')
    git(outer, "add", ".gitmodules")


@pytest.mark.parametrize(
    "url",
    [
        "https://x%2ey.h.example/a",  # git decodes it, the resolver doesn't
        "http://%31%32%37.0.0.1/a",
        "https://fa\u00df.h.example/a",  # two versions of IDNA, two names
        "https://h.example./a",
        "https://h.example\\.i.example/a",
        "https://[::1%25eth0]/a",
        "ssh://git@%68.example/a",
    ],
)
def test_hosts_that_git_would_read_otherwise(url):
    with pytest.raises(BadRemote):
        parse_remote(url)


@pytest.mark.parametrize("url", ["https://h-1.example/a", "http://[2001:db8::1]:80/a"])
def test_hosts_that_are_read_by_all_alike(url):
    assert parse_remote(url).url == url


@pytest.mark.parametrize("tail", ["open/%2e%2e/closed", "open/%2E./closed"])
def test_a_file_url_can_t_leave_its_folder_by_encoding(tmp_path, tail):
    repository(tmp_path / "closed", "secret")
    (tmp_path / "open").mkdir()
    with pytest.raises(BadRemote, match="closed on this hub"):
        parse_remote(f"file://{tmp_path}/{tail}", [tmp_path / "open"])


def test_a_file_url_names_no_host_and_keeps_odd_names(tmp_path):
    place = repository(tmp_path / "open" / "100% mine", "x")
    with pytest.raises(BadRemote, match="file:///path"):
        parse_remote(f"file://etc{tmp_path}/open", [tmp_path / "open"])
    remote = parse_remote(f"file://{tmp_path}/open/100%25%20mine", [tmp_path / "open"])
    assert remote.path == str(place)
    assert parse_remote(remote.url, [tmp_path / "open"]) == remote
    assert git(tmp_path, "ls-remote", remote.url)


def test_a_submodule_s_path_takes_no_other_submodule_along(tmp_path):
    good = repository(tmp_path / "open" / "good", "good")
    closed = repository(tmp_path / "closed", "secret")
    outer = repository(tmp_path / "open" / "outer", "outer")
    link(outer, "first", "? ", good)
    link(outer, "second", "z", closed)
    git(outer, "commit", "-q", "-m", "two")
    found = Checkout(
        guard=AddressGuard(),
        folders=(tmp_path / "open",),
        known_hosts=tmp_path / "known_hosts",
        workers=Workers(),
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    remote = parse_remote(f"file://{outer}", [tmp_path / "open"])
    with pytest.raises(BadRemote, match="closed on this hub"):
        asyncio.run(found.tree(remote, MAIN, scratch, key=""))
    assert (scratch / "tree" / "? " / "file").read_text() == "good"
    assert not (scratch / "tree" / "z" / "file").exists(), "fetched before it was looked at"
