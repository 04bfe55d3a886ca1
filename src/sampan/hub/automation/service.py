"""Webhooks and automated builds as the hub's other parts see them.

    views, API --> Automation --+-- Dispatcher   (always)
    git servers --> /hooks/ID --'-- BuildRunner, Poller   (when an engine to build with is set)

Decisions and rows are in webhooks/ and builds/; here they are joined, and whoever sleeps is woken
after a write. The methods that write take a Connection: they are parts of a caller's transaction,
followed by `wake`.
"""

import ipaddress
import logging
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from sampan.errors import InvalidArgument, NotFound, SampanError, Unauthenticated
from sampan.hub.automation.addresses import AddressGuard, Network
from sampan.hub.automation.builds import sources
from sampan.hub.automation.builds.checkout import Checkout
from sampan.hub.automation.builds.engine import Engine
from sampan.hub.automation.builds.logs import BuildLogs
from sampan.hub.automation.builds.polling import Poller, enqueue_matching
from sampan.hub.automation.builds.queue import Trigger
from sampan.hub.automation.builds.runner import BuildRunner
from sampan.hub.automation.builds.sources import Source
from sampan.hub.automation.builds.triggers import NotProven, Pushed, read_trigger
from sampan.hub.automation.builds.work import BuildSettings, BuildWork, MakeToken
from sampan.hub.automation.outgoing import Poster
from sampan.hub.automation.sealing import Sealer, load_sealer
from sampan.hub.automation.webhooks.dispatch import Dispatcher
from sampan.hub.db.engine import Database
from sampan.lib.log import fields
from sampan.lib.workers import Workers

log = logging.getLogger(__name__)

TRIGGER_MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationSettings:
    """`builder` "": nothing is built. `registry`: host and port as the engine reaches the hub."""

    root: Path
    base_url: str
    registry: str
    webhook_networks: tuple[Network, ...] = ()
    git_networks: tuple[Network, ...] = ()
    git_folders: tuple[Path, ...] = ()
    builder: str = ""
    builder_tls: Path | None = None
    parallel: int = 2
    build_limit_s: int = 7200


def parse_network(text: str) -> Network:
    """A CIDR, or one address. Raises InvalidArgument."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidArgument(f"{text!r} isn't a network like 10.1.0.0/16") from error


class Automation:
    """Made in a worker thread; `start` and `wake` belong to the event loop's."""

    def __init__(
        self,
        settings: AutomationSettings,
        *,
        database: Database,
        workers: Workers,
        make_token: MakeToken,
    ) -> None:
        self.settings = settings
        self.sealer: Sealer = load_sealer(settings.root)
        self.database = database
        self.workers = workers
        folder = settings.root / "builds"
        folder.mkdir(exist_ok=True, mode=0o700)
        self.logs = BuildLogs(folder, workers)
        self.dispatcher: Dispatcher | None = None
        self.runner: BuildRunner | None = None
        self._checkout = Checkout(
            guard=AddressGuard(settings.git_networks),
            folders=settings.git_folders,
            known_hosts=folder / "known_hosts",
            workers=workers,
        )
        self._scratch = folder / "scratch"
        self._engine = (
            Engine(settings.builder, tls_folder=settings.builder_tls) if settings.builder else None
        )
        self._make_token = make_token

    @property
    def builds(self) -> bool:
        return self._engine is not None

    def start(self, tasks: TaskGroup) -> None:
        """Begin to work, until the task group is cancelled."""
        settings = self.settings
        self.dispatcher = Dispatcher(
            database=self.database,
            sealer=self.sealer,
            sender=Poster(AddressGuard(settings.webhook_networks)),
            base_url=settings.base_url,
        )
        tasks.start_soon(self.dispatcher.run)
        if self._engine is None:
            return
        self.runner = self._make_runner(self._engine)
        poller = Poller(
            database=self.database,
            sealer=self.sealer,
            checkout=self._checkout,
            scratch=self._scratch,
            folders=settings.git_folders,
            queued=self.runner.wake,
        )
        tasks.start_soon(self.runner.run)
        tasks.start_soon(poller.run)

    def _make_runner(self, engine: Engine) -> BuildRunner:
        settings = self.settings
        work = BuildWork(
            BuildSettings(
                registry=settings.registry,
                scratch=self._scratch,
                folders=settings.git_folders,
                limit_s=settings.build_limit_s,
            ),
            database=self.database,
            workers=self.workers,
            sealer=self.sealer,
            checkout=self._checkout,
            engine=engine,
            logs=self.logs,
            make_token=self._make_token,
        )
        return BuildRunner(
            database=self.database,
            workers=self.workers,
            work=work,
            logs=self.logs,
            scratch=self._scratch,
            parallel=settings.parallel,
        )

    def wake(self) -> None:
        """Something was queued or is to be sent."""
        if self.dispatcher is not None:
            self.dispatcher.wake()
        if self.runner is not None:
            self.runner.wake()

    def cancel_running(self, build_id: int) -> None:
        if self.runner is not None:
            self.runner.cancel(build_id)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/hooks/{trigger}", self._trigger)]

    async def _trigger(self, request: web.Request) -> web.Response:
        """A git server tells of a push."""
        try:
            made = await self._triggered(request)
        except (Unauthenticated, NotFound) as error:
            # one answer: whoever guesses ids learns nothing
            log.info(fields("trigger refused", reason=error.message, remote=request.remote))
            return web.json_response({"detail": NotProven().message}, status=403)
        except InvalidArgument as error:
            return web.json_response({"detail": error.message}, status=400)
        except SampanError as error:
            return web.json_response({"detail": error.message}, status=503)
        return web.json_response({"builds": made}, status=202 if made else 200)

    async def _triggered(self, request: web.Request) -> list[int]:
        source = await self.database.read(
            lambda connection: sources.find_by_trigger(connection, request.match_info["trigger"])
        )
        if source is None:
            raise sources.NoSource
        body = await _body(request)
        pushed = read_trigger(request.headers, body, self.sealer.open(source.trigger_secret))

        made = await self.database.write(
            lambda connection: _enqueue_pushed(connection, source, pushed)
        )
        self.wake()
        return made


def _enqueue_pushed(connection: Connection, source: Source, pushed: list[Pushed]) -> list[int]:
    made: list[int] = []
    for each in pushed:
        sources.note_ref(connection, source.repository_id, each.ref.full, each.commit)
        made += enqueue_matching(
            connection, source.repository_id, each.ref, each.commit, Trigger.PUSH
        )
    return made


async def _body(request: web.Request) -> bytes:
    """git servers send up to some megabytes. Raises InvalidArgument."""
    found = b""
    async for piece in request.content.iter_chunked(65536):
        found += piece
        if len(found) > TRIGGER_MOST_BYTES:
            raise InvalidArgument(f"a payload has at most {TRIGGER_MOST_BYTES} bytes")
    return found
