"""Who may do what in the registry: the question that its endpoints ask before anything else.

Declared here because the endpoints use it; accounts implement it. Repository names are canonical:
`namespace/name`, a name without a slash stands in the namespace `library` (names.canonical). Every
endpoint asks before it looks whether anything exists, so that answers don't tell strangers.

Allowing a push to a repository that doesn't exist lets the push create it. Refusing says nothing
about existence: who may not pull gets Challenged (anonymous) or the same failure as for a
repository that isn't there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from aiohttp import web

from sampan.errors import Unauthenticated

Action = Literal["pull", "push", "delete"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks; `name` is None for anonymous. `is_admin` is the administrator of the hub."""

    name: str | None = None
    is_admin: bool = False


class Challenged(Unauthenticated):
    """401 with `challenge` as the value of WWW-Authenticate."""

    def __init__(self, challenge: str, message: str = "authentication required") -> None:
        super().__init__(message)
        self.challenge = challenge


class Access(Protocol):
    """Called on the event loop, before the request's body is read."""

    async def authenticate(self, request: web.Request) -> Identity:
        """`GET /v2/`: raises Challenged unless good credentials came along."""
        ...

    async def require(self, request: web.Request, repository: str, action: Action) -> Identity:
        """Raises Challenged, or Denied, or NotFound where existence must stay hidden."""
        ...

    async def may_list(self, request: web.Request, repositories: Sequence[str]) -> frozenset[str]:
        """Which of these the caller may see in the catalog. Raises Challenged for nobody."""
        ...


class AllowAll:
    """A hub without accounts: everybody may do everything."""

    async def authenticate(self, request: web.Request) -> Identity:
        return Identity()

    async def require(self, request: web.Request, repository: str, action: Action) -> Identity:
        return Identity()

    async def may_list(self, request: web.Request, repositories: Sequence[str]) -> frozenset[str]:
        return frozenset(repositories)
