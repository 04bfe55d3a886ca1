"""Checkouts and what isn't one."""

import os

import pytest

from sampan.lib import provenance

COMMIT = "35d07fc0123456789abcdef0123456789abcdef0"


@pytest.fixture
def package(tmp_path):
    found = tmp_path / "src" / "sampan"
    found.mkdir(parents=True)
    return found


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "files",
    [
        {".git/HEAD": f"{COMMIT}\n"},
        {".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": f"{COMMIT}\n"},
        {
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/packed-refs": f"# pack-refs\n{'0' * 40} refs/heads/maintenance\n"
            f"{COMMIT} refs/heads/main\n",
        },
        {
            ".git": "gitdir: elsewhere/worktrees/one\n",
            "elsewhere/worktrees/one/HEAD": "ref: refs/heads/topic\n",
            "elsewhere/worktrees/one/commondir": "../..\n",
            "elsewhere/refs/heads/topic": f"{COMMIT}\n",
        },
    ],
    ids=["detached", "loose", "packed", "worktree"],
)
def test_the_commit_of_a_checkout(tmp_path, package, files):
    write(tmp_path, files)
    assert provenance.commit(package) == "35d07fc"


@pytest.mark.parametrize(
    "files", [{}, {".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": ""}]
)
def test_no_checkout_and_no_commit_yet_are_unknown(tmp_path, package, files):
    write(tmp_path, files)
    assert provenance.commit(package) == "unknown"


def test_built_when_the_files_came_to_their_place(package):
    assert provenance.built(package) == ""
    (package / "__init__.py").touch()
    os.utime(package / "__init__.py", (1_000_000_000, 1_000_000_000))
    assert provenance.built(package) == "2001-09-09T01:46:40Z"
