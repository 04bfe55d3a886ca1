"""Everything that people and tools see besides the registry: accounts, tokens, API, pages.

Made by wiring.py from the parts that the whole hub shares; hands back the registry's Access and
adds its routes to the application, before the registry's, which take what is left below /v2/.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from sampan.hub.accounts.logins import Logins
from sampan.hub.accounts.passwords import Passwords
from sampan.hub.accounts.plans import Plan
from sampan.hub.accounts.signing import Signer, load_key
from sampan.hub.accounts.signup import OPEN, SignUps
from sampan.hub.accounts.throttle import Throttle
from sampan.hub.api.calls import answer
from sampan.hub.api.openapi import describe
from sampan.hub.api.routes import Endpoint, HubApi
from sampan.hub.auth.access import RegistryAccess
from sampan.hub.auth.endpoint import TokenEndpoint
from sampan.hub.auth.granting import Creation
from sampan.hub.db.engine import Database
from sampan.hub.services import Services
from sampan.hub.storage.driver import StorageDriver
from sampan.hub.web.routes import Site, SiteRoute
from sampan.lib.workers import Workers

KEY_FILE = "token-key.pem"
API_VERSION = "2.0"
DOORS = 8  # threads for logins and sign-ups, of which few hash at once (passwords.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What of the configuration matters here; `public_url` "" means the request's own address."""

    root: Path
    public_url: str = ""
    private_by_default: bool = False
    sign_up: str = OPEN
    sign_ups_per_hour: int = 0
    plan: Plan = field(default_factory=Plan)


class Faces:
    """`endpoints` and `views` are those of other parts: they go before the general ones."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        storage: StorageDriver,
        collect_garbage: Callable[[], Awaitable[str]],
        drop_uploads: Callable[[Sequence[str]], Awaitable[None]],
        endpoints: tuple[Endpoint, ...] = (),
        views: tuple[SiteRoute, ...] = (),
    ) -> None:
        signer = Signer(load_key(settings.root / KEY_FILE))
        doors = Workers(DOORS)  # passwords are slow on purpose: the database isn't behind them
        passwords = Passwords()
        logins = Logins(database=database, passwords=passwords, throttle=Throttle(), signer=signer)
        self.services = Services(
            database=database,
            workers=doors,
            logins=logins,
            passwords=passwords,
            signer=signer,
            storage=storage,
            collect_garbage=collect_garbage,
            drop_uploads=drop_uploads,
            public_url=settings.public_url.rstrip("/"),
            root_path=str(settings.root),
            sign_ups=SignUps(settings.sign_up, per_hour=settings.sign_ups_per_hour),
            plan=settings.plan,
        )
        self.access = RegistryAccess(
            database=database,
            workers=doors,
            logins=logins,
            signer=signer,
            creation=Creation(private=settings.private_by_default, plan=settings.plan),
            public_url=self.services.public_url,
        )
        self._tokens = TokenEndpoint(database=database, workers=doors, logins=logins, signer=signer)
        self._api = HubApi(self.services, endpoints)
        self._site = Site(self.services, views)

    def add_to(self, application: web.Application) -> None:
        application.add_routes(self._tokens.routes())
        application.add_routes([web.get("/api/openapi.json", self._describe)])
        application.add_routes(self._api.routes())
        application.add_routes(self._site.routes())

    def add_last(self, application: web.Application) -> None:
        """After every other route: pages that don't exist."""
        application.router.add_get("/{path:(?!v[12](?:/|$)).*}", self._site.not_found)

    async def _describe(self, request: web.Request) -> web.Response:
        server = self.services.base_url(request)
        return answer(describe(self._api.endpoints, version=API_VERSION, server=server))
