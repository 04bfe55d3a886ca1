"""Cloning without the program, and what a clone becomes."""

import asyncio

import pytest

from sampan.builder.git_url import GitUrl
from sampan.engine.build_git import CloneFailed, GitClones, GitMissing, SubdirMissing, _finish
from sampan.lib.workers import Workers


def clone(tmp_path, remote):
    clones = GitClones(tmp_path, Workers())
    return asyncio.run(clones.clone(GitUrl(remote)))


def test_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitMissing, match="need the git program, which is not installed"):
        clone(tmp_path, "https://h/r.git")


@pytest.mark.parametrize("remote", ["/etc", "file:///etc", "ext::sh -c true"])
def test_only_network_protocols(tmp_path, remote):
    with pytest.raises(CloneFailed, match="not allowed"):
        clone(tmp_path, remote)


@pytest.fixture
def repository(tmp_path):
    made = tmp_path / "r"
    (made / ".git" / "objects").mkdir(parents=True)
    (made / "sub").mkdir()
    (made / "sub" / ".git").write_text("gitdir: ../.git/modules/sub")
    (made / "way").symlink_to("/etc")
    return made


def test_a_finished_clone(repository):
    assert _finish(repository, "", keep_git_dir=True) == repository
    assert (repository / ".git").is_dir()
    assert _finish(repository, "sub", keep_git_dir=False) == repository / "sub"
    assert sorted(path.name for path in repository.rglob("*")) == ["sub", "way"]


@pytest.mark.parametrize("subdir", ["nosuch", "way", "way/../nosuch"])
def test_folders_are_the_clones_own(repository, subdir):
    with pytest.raises(SubdirMissing):
        _finish(repository, subdir, keep_git_dir=False)


def test_a_folder_above_is_the_root(repository):
    assert _finish(repository, "../..", keep_git_dir=False) == repository
