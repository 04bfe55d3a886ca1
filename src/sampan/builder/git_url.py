"""Git repositories as Dockerfiles and clients name them. Pure.

    https://host/repo.git#branch:dir       git://host/repo     ssh://git@host/repo.git#v1
    git@host:owner/repo.git#:dir           github.com/owner/repo
    https://host/repo.git?ref=v1&subdir=dir&checksum=abc   (branch= and tag= are refs, too)

After `#` stand a ref and a folder; nothing means the remote's HEAD and the whole tree. An HTTP
address is a repository only when its path ends in `.git`.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from sampan.errors import InvalidArgument

_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!/?/).+")
_HEX = re.compile(r"[0-9a-f]{7,64}")
_BARE_HOST = "github.com/"


class BadGitUrl(InvalidArgument):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"invalid git repository {url}: {reason}")


@dataclass(frozen=True, slots=True)
class GitUrl:
    """`checksum` is the commit, or its beginning, that `ref` must be."""

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""

    @property
    def ref_is_commit(self) -> bool:
        return _HEX.fullmatch(self.ref) is not None


def parse_git_url(text: str) -> GitUrl | None:
    """None: not a git repository. Raises BadGitUrl."""
    address, _, fragment = text.partition("#")
    if not _is_git(address):
        return None
    ref, _, subdir = fragment.partition(":")
    checksum = ""
    if "://" in address and "?" in address:
        address, _, query = address.partition("?")
        for name, value in parse_qsl(query):
            if name in {"ref", "branch", "tag"}:
                ref = value
            elif name == "subdir":
                subdir = value
            elif name in {"checksum", "commit"}:
                checksum = value
            else:
                raise BadGitUrl(text, f"unknown query {name}")
    if address.startswith(_BARE_HOST):
        address = f"https://{address}"
    if ref.startswith("-") or any(char.isspace() or ord(char) < 0x20 for char in ref):
        raise BadGitUrl(text, "a ref can't look like that")
    if address.startswith("-") or "\0" in address + subdir:
        raise BadGitUrl(text, "an address can't look like that")
    return GitUrl(address, ref, subdir, checksum)


def _is_git(address: str) -> bool:
    if address.startswith(("git://", "ssh://", _BARE_HOST)):
        return True
    if address.startswith(("http://", "https://")):
        return urlsplit(address).path.endswith(".git")
    return _SCP.fullmatch(address) is not None
