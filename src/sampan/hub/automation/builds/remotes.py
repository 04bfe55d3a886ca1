"""Addresses of git repositories as users type them. Pure but for looking at local paths.

https://host/owner/repo.git    http://...    verified certificates, no credentials in it
ssh://git@host[:port]/path     git@host:path  with the source's deploy key
file:///srv/git/repo.git       only below folders that an administrator opened
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from sampan.errors import InvalidArgument

_SCP = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*@)([A-Za-z0-9][A-Za-z0-9.-]*):([^/].*|/.*)")
# nothing that git's HTTP library would read otherwise than we do (it decodes %xx and has an IDNA
# of its own): it would look up another name than the one that was checked
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_PORTS = {"http": 80, "https": 443, "ssh": 22}
_URL_MOST = 1024


class BadRemote(InvalidArgument):
    pass


@dataclass(frozen=True, slots=True)
class Remote:
    """`url` is what git gets; `host` is empty for a path."""

    url: str
    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""


def parse_remote(text: str, folders: Sequence[Path] = ()) -> Remote:
    """`folders` are open for file URLs. Raises BadRemote."""
    text = text.strip()
    if not text or len(text) > _URL_MOST or not text.isprintable() or " " in text:
        raise BadRemote("the source must be a URL without blanks")
    scp = _SCP.fullmatch(text)
    if scp and "://" not in text:
        path = scp[3] if scp[3].startswith("/") else "/" + scp[3]
        text = f"ssh://{scp[1]}{scp[2]}{path}" if scp[3].startswith(("/", "~")) else text
        return Remote(text, "ssh", scp[2], 22, path)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadRemote(f"the source isn't a URL: {error}") from error
    if parts.scheme == "file":
        if parts.netloc or parts.query or parts.fragment:  # git takes all of them for the path
            raise BadRemote("a file URL is file:///path")
        place = _opened(unquote(parts.path), folders)
        return Remote(f"file://{quote(place)}", "file", path=place)
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        raise BadRemote("the source must be an https, ssh or file URL, or git@host:path")
    if parts.password or (parts.scheme != "ssh" and parts.username):
        raise BadRemote("the source mustn't contain credentials", hint="use ssh and its deploy key")
    if (parts.username or "").startswith("-") or parts.query or parts.fragment:
        raise BadRemote("the source must be a plain address, without query or fragment")
    if port == 0 or not parts.path.strip("/"):
        raise BadRemote("the source's address names no repository")
    return Remote(text, parts.scheme, host, port or _PORTS[parts.scheme], parts.path)


def _opened(path: str, folders: Sequence[Path]) -> str:
    """The path with its links followed, when it lies below one of the folders."""
    found = Path(path).resolve() if path.startswith("/") else None
    if found is None or not any(found.is_relative_to(each.resolve()) for each in folders):
        raise BadRemote(
            "file URLs are closed on this hub", hint="an administrator can open a folder"
        )
    return str(found)
