"""Git repositories as sources of builds, fetched with the `git` program.

    init -> fetch --depth 1 REF -> checkout -> submodules -> (without .git) -> a plain directory

The repository is a stranger's: lib/git.py says what that means. Only network protocols (a submodule
can't name a file of this machine), refs that can't be options. The folder that is asked for is
looked up inside the clone, links included.
"""

import os
import shutil
from pathlib import Path

from sampan.builder.git_url import GitUrl
from sampan.errors import InvalidArgument, Unavailable, Unsupported
from sampan.lib.git import Git, GitFailed
from sampan.lib.git import GitMissing as ProgramMissing
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers
from sampan.linux.beneath import resolve_beneath

_SHALLOW = ("--depth", "1")
_NOT_SHALLOW = "does not support shallow"


class GitMissing(Unsupported):
    def __init__(self) -> None:
        super().__init__(
            "git repositories as build sources need the git program, which is not installed on "
            "the engine's machine"
        )


class CloneFailed(Unavailable):
    def __init__(self, remote: str, said: str) -> None:
        super().__init__(f"failed to fetch remote {remote}: {said}")


class WrongCommit(InvalidArgument):
    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected checksum to match {expected}, got {found}")


class SubdirMissing(InvalidArgument):
    def __init__(self, subdir: str) -> None:
        super().__init__(f"invalid subdir {subdir}: no such directory in the repository")


class GitClones:
    """Clones below the scratch directory of one build, with which they go away."""

    def __init__(self, scratch: Path, workers: Workers) -> None:
        self._scratch = scratch
        self._workers = workers

    async def clone(self, url: GitUrl, *, keep_git_dir: bool = False, checksum: str = "") -> Path:
        """The directory that `url` means, with the files of its commit.

        Raises GitMissing, CloneFailed, WrongCommit, SubdirMissing.
        """
        folder = self._scratch / f"git-{random_id()[:12]}"
        repository = folder / "tree"
        await self._workers.run(repository.mkdir, parents=True)
        git = _Git(repository, home=folder, remote=url.remote)
        await git.run("init", "--quiet")
        await git.run("remote", "add", "origin", url.remote)
        await self._fetch(git, url)
        commit = (await git.run("rev-parse", "HEAD")).strip()
        for expected in filter(None, (checksum, url.checksum)):
            if not commit.startswith(expected.lower()):
                raise WrongCommit(expected, commit)
        if (repository / ".gitmodules").is_file():
            await git.shallow("submodule", "--quiet", "update", "--init", "--recursive", last=())
        return await self._workers.run(_finish, repository, url.subdir, keep_git_dir)

    async def _fetch(self, git: "_Git", url: GitUrl) -> None:
        ref = url.ref or "HEAD"
        try:
            await git.shallow("fetch", "--quiet", "--no-tags", last=("origin", ref))
        except CloneFailed:
            if not url.ref_is_commit:
                raise
            # Servers need not hand out a commit by its number: it is somewhere in the branches.
            await git.run("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/x/*")
            await git.run("checkout", "--quiet", "--force", "--detach", ref)
            return
        await git.run("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")


class _Git:
    def __init__(self, repository: Path, *, home: Path, remote: str) -> None:
        self._git = Git(repository, home=home)
        self._remote = remote

    async def shallow(self, *arguments: str, last: tuple[str, ...]) -> None:
        """Without history, where the server can do that (plain files over HTTP can't)."""
        try:
            await self.run(*arguments, *_SHALLOW, *last)
        except CloneFailed as error:
            if _NOT_SHALLOW not in error.message:
                raise
            await self.run(*arguments, *last)

    async def run(self, *arguments: str) -> str:
        """Standard output. Raises CloneFailed with what git says."""
        try:
            return await self._git.run(*arguments)
        except ProgramMissing as error:
            raise GitMissing from error
        except GitFailed as error:
            raise CloneFailed(self._remote, error.message) from error


def _finish(repository: Path, subdir: str, keep_git_dir: bool) -> Path:
    if not keep_git_dir:
        for folder, names, files in os.walk(repository):
            if ".git" in names:
                shutil.rmtree(Path(folder, ".git"))
                names.remove(".git")
            if ".git" in files:  # a submodule's, which only says where its repository is
                Path(folder, ".git").unlink()
    found = resolve_beneath(repository, subdir)
    if not found.is_dir():
        raise SubdirMissing(subdir)
    return found
