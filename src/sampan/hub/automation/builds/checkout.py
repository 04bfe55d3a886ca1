"""Fetching a source: its refs, or the files of one of them, with its submodules.

    SCRATCH/home      key (0600), config            SCRATCH/tree     the files, .git removed
    ROOT/builds/known_hosts                         host keys, believed at first sight, then kept

Hosts are resolved and checked by us (addresses.py) and git is told the address that was
checked (curl's resolve list, ssh's HostName), redirects aren't followed; the same for
each submodule. What is in the tree is never run.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import InvalidArgument
from sampan.hub.automation.addresses import AddressGuard
from sampan.hub.automation.builds.remotes import BadRemote, Remote, parse_remote
from sampan.hub.automation.builds.rules import Ref
from sampan.lib.git import Git, GitFailed
from sampan.lib.workers import Workers

_NOT_SHALLOW = "does not support shallow"
_REFS_MOST = 20_000
CONFIG = "config"
# who owns a repository below a folder that an administrator opened doesn't matter: it is only read
_ANY_OWNER = "[safe]\n\tdirectory = *\n"
SSH_PORT = 22
_DEPTH_MOST = 4  # of submodules in submodules
_SUBMODULES_MOST = 50


class RefGone(InvalidArgument):
    def __init__(self, ref: Ref) -> None:
        super().__init__(f"the source has no {ref.kind} {ref.name}")


class TooDeep(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("too many submodules, or submodules in submodules")


@dataclass(frozen=True, slots=True)
class Tree:
    path: Path
    commit: str


class Checkout:
    """Called by builds and by polling. `known_hosts` is a file that ssh adds to."""

    def __init__(
        self, *, guard: AddressGuard, folders: tuple[Path, ...], known_hosts: Path, workers: Workers
    ) -> None:
        self._guard = guard
        self._folders = folders
        self._known_hosts = known_hosts
        self._workers = workers

    async def refs(self, remote: Remote, scratch: Path, *, key: str) -> dict[str, str]:
        """Branches and tags with their commits. Raises GitFailed, AddressRefused, ..."""
        git = await self._git(remote, scratch, scratch, key)
        said = await git.run("ls-remote", "--heads", "--tags", "--", remote.url)
        found: dict[str, str] = {}
        for line in said.splitlines()[:_REFS_MOST]:
            commit, _, name = line.partition("\t")
            peeled = name.removesuffix("^{}")  # an annotated tag's commit comes after the tag
            if len(peeled) <= 255:
                found[peeled] = commit
        return found

    async def tree(self, remote: Remote, ref: Ref, scratch: Path, *, key: str) -> Tree:
        """The files of `ref`. Raises GitFailed, RefGone, AddressRefused, HostUnknown."""
        tree = scratch / "tree"
        await self._workers.run(tree.mkdir)
        git = await self._git(remote, tree, scratch, key)
        await git.run("init", "--quiet")
        await git.run("remote", "add", "--", "origin", remote.url)
        try:
            await _shallow(git, "fetch", "--quiet", "--no-tags", last=("origin", ref.full))
        except GitFailed as error:
            if "couldn't find remote ref" in error.message:
                raise RefGone(ref) from error
            raise
        await git.run("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
        commit = (await git.run("rev-parse", "HEAD")).strip()
        await self._submodules(remote, tree, scratch, key, depth=0)
        await self._workers.run(_without_git, tree)
        return Tree(tree, commit)

    async def _git(self, remote: Remote, folder: Path, scratch: Path, key: str) -> Git:
        """A git that reaches this remote and nothing else."""
        home = scratch / "home"
        await self._workers.run(_prepare, home, key)
        settings = ["http.followRedirects=false", "http.proxy="]
        if remote.scheme == "file":
            config = str(home / CONFIG)
            return Git(
                folder, home=home, protocols=("file",), settings=settings, config_file=config
            )
        address = await self._guard.choose(remote.host, remote.port)
        settings.append(f"http.curloptResolve={remote.host}:{remote.port}:{_bracketed(address)}")
        return Git(
            folder,
            home=home,
            protocols=(remote.scheme,),
            settings=settings,
            ssh_command=self._ssh(remote, address, home if key else None),
        )

    def _ssh(self, remote: Remote, address: str, home: Path | None) -> str:
        words = [
            *("ssh", "-F", "/dev/null", "-oBatchMode=yes", "-oStrictHostKeyChecking=accept-new"),
            *(f"-oUserKnownHostsFile={self._known_hosts}", f"-oHostName={address}"),
            *(f"-oHostKeyAlias={_known_as(remote)}", "-oConnectTimeout=20", "-oForwardAgent=no"),
            "-oIdentityAgent=none",
        ]
        if home is not None:
            words += [f"-i{home / 'key'}", "-oIdentitiesOnly=yes"]
        return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)

    async def _submodules(
        self, parent: Remote, tree: Path, scratch: Path, key: str, *, depth: int
    ) -> None:
        if not (tree / ".gitmodules").is_file():
            return
        plain = Git(tree, home=scratch / "home", protocols=())
        await plain.run("submodule", "--quiet", "init")
        listed = await plain.run("config", "--get-regexp", r"^submodule\..*\.url$")
        entries = [line.partition(" ") for line in listed.splitlines()]
        if depth >= _DEPTH_MOST or len(entries) > _SUBMODULES_MOST:
            raise TooDeep
        for setting, _, url in entries:
            name = setting.removeprefix("submodule.").removesuffix(".url")
            path = await plain.run("config", "-f", ".gitmodules", f"submodule.{name}.path")
            remote = self._submodule(url)
            # the deploy key is the source's own: another host doesn't see it
            own = key if (remote.scheme, remote.host) == (parent.scheme, parent.host) else ""
            git = await self._git(remote, tree, scratch, own)
            place = path.removesuffix("\n")
            # what was checked is what git uses, and for this submodule alone: a path like ? would
            # take others along, which nobody has checked
            await plain.run("config", "--replace-all", setting, remote.url)
            only = ("--", f":(literal){place}")
            await _shallow(git, "submodule", "--quiet", "update", last=only)
            await self._submodules(remote, tree / place, scratch, key, depth=depth + 1)

    def _submodule(self, url: str) -> Remote:
        try:
            return parse_remote(url, self._folders)
        except BadRemote as error:
            raise BadRemote(f"submodule {url}: {error.message}") from error


async def _shallow(git: Git, *arguments: str, last: tuple[str, ...]) -> None:
    """Without history, where the server can do that (plain files over HTTP can't)."""
    try:
        await git.run(*arguments, "--depth", "1", *last)
    except GitFailed as error:
        if _NOT_SHALLOW not in error.message:
            raise
        await git.run(*arguments, *last)


def _known_as(remote: Remote) -> str:
    """As ssh itself writes names in known_hosts: servers of one host have keys of their own."""
    return remote.host if remote.port == SSH_PORT else f"[{remote.host}]:{remote.port}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _prepare(home: Path, key: str) -> None:
    home.mkdir(exist_ok=True, mode=0o700)
    (home / CONFIG).write_text(_ANY_OWNER)
    path = home / "key"
    path.unlink(missing_ok=True)
    if key:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(key)


def _without_git(tree: Path) -> None:
    for folder, names, files in os.walk(tree):
        if ".git" in names:
            shutil.rmtree(Path(folder, ".git"))
            names.remove(".git")
        if ".git" in files:  # a submodule's, which only says where its repository is
            Path(folder, ".git").unlink()
