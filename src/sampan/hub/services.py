"""What the hub's faces (HTTP API, web pages) work with, in one frozen record."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from sampan.hub.accounts.logins import Logins
from sampan.hub.accounts.passwords import Passwords
from sampan.hub.accounts.plans import Plan
from sampan.hub.accounts.signing import Signer
from sampan.hub.accounts.signup import SignUps
from sampan.hub.db.engine import Database
from sampan.hub.storage.driver import StorageDriver
from sampan.lib.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`collect_garbage` runs one collection and says in a line what it freed; `drop_uploads`
    takes the bytes of uploads away whose repository was removed.

    `public_url` is "" where the request's own address is told; `root_path` is where files are,
    for the free space that administrators see.
    """

    database: Database
    workers: Workers
    logins: Logins
    passwords: Passwords
    signer: Signer
    storage: StorageDriver
    collect_garbage: Callable[[], Awaitable[str]]
    drop_uploads: Callable[[Sequence[str]], Awaitable[None]]
    sign_ups: SignUps
    public_url: str = ""
    root_path: str = "/"
    plan: Plan = field(default_factory=Plan)

    def base_url(self, request: web.BaseRequest) -> str:
        return self.public_url or f"{request.scheme}://{request.host}"

    def registry_host(self, request: web.BaseRequest) -> str:
        """What stands before a repository's name in `docker pull`."""
        return self.base_url(request).partition("://")[2]
