"""The hub's graph: the only place that joins its parts.

    Hub(config) -> database (migrated) -> storage -> registry -> web.Application
                                                  `-> background: gc, pull counts, automation

`Hub` is an async context manager: on entering everything is ready to serve, on leaving the
background work has ended and counts are written. It doesn't listen: main.py does.
"""

import logging
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
from aiohttp import web

from sampan.hub.automating import automation_endpoints, automation_views, make_automation
from sampan.hub.automation.service import Automation, parse_network
from sampan.hub.config import Config
from sampan.hub.db.engine import Database
from sampan.hub.faces import Faces, Settings
from sampan.hub.proxies import middleware
from sampan.hub.storage.driver import StorageDriver
from sampan.hub.storage.filesystem import FilesystemDriver
from sampan.hub.storage.s3 import S3Driver
from sampan.hub.tables import open_database
from sampan.hub.v2.access import Access, AllowAll
from sampan.hub.v2.blobs import Blobs
from sampan.hub.v2.calls import Parts
from sampan.hub.v2.gc import Ages, Collector
from sampan.hub.v2.pulls import FLUSH_EVERY_S, PullCounts
from sampan.hub.v2.quotas import Quotas
from sampan.hub.v2.routes import Registry
from sampan.hub.v2.serving import BlobSender
from sampan.hub.v2.sweeplock import SweepLock
from sampan.hub.v2.uploads import Uploads
from sampan.lib.cleanup import shielded
from sampan.lib.log import fields
from sampan.lib.workers import Workers

log = logging.getLogger(__name__)


def staging(config: Config) -> Path:
    return config.root / "staging"


def open_storage(config: Config) -> StorageDriver:
    if config.storage:
        return S3Driver(config.storage, endpoint=config.s3_endpoint, region=config.s3_region)
    return FilesystemDriver(config.root)


def make_collector(config: Config, database: Database, storage: StorageDriver) -> Collector:
    staging(config).mkdir(exist_ok=True, mode=0o700)
    return Collector(
        database=database,
        storage=storage,
        staging=staging(config),
        sweep=SweepLock(config.root / "sweep.lock"),
        ages=Ages(config.lease_s, config.untagged_age_s, config.upload_age_s),
    )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the registry, the pages and the background work share."""

    workers: Workers
    database: Database
    storage: StorageDriver
    collector: Collector
    pulls: PullCounts
    uploads: Uploads


class Hub:
    """`application` is complete once the context is entered."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._undo = AsyncExitStack()
        trusted = tuple(map(parse_network, config.trusted_proxies))
        self.application = web.Application(middlewares=[middleware(trusted)] if trusted else ())
        self.faces: Faces | None = None  # of a hub with accounts, once the context is entered

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            await self._build(undo)
            self._undo = undo.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    async def _build(self, undo: AsyncExitStack) -> None:
        config, workers = self._config, Workers()
        database = await workers.run(open_database, config, workers)
        undo.callback(database.close)
        storage = await workers.run(open_storage, config)
        collector = make_collector(config, database, storage)
        pulls = PullCounts(database)
        uploads = Uploads(database=database, staging=staging(config), workers=workers)
        ground = _Ground(workers, database, storage, collector, pulls, uploads)
        faces = self.faces
        automation = None
        if config.accounts:
            automation = await workers.run(make_automation, config, database, workers)
            self.application.add_routes(automation.routes())
            faces = self.faces = await workers.run(self._faces, ground, automation)
            faces.add_to(self.application)
        parts = self._parts(self._access(faces), ground)
        Registry(parts).add_to(self.application)  # last: what it doesn't know below /v2/ is 404
        if faces:
            faces.add_last(self.application)
        undo.push_async_callback(shielded, pulls.flush, what="pull counts")
        tasks = await undo.enter_async_context(anyio.create_task_group())
        undo.callback(tasks.cancel_scope.cancel)
        undo.callback(collector.stop)
        tasks.start_soon(self._collect, collector, workers)
        tasks.start_soon(self._flush, pulls)
        if automation is not None:
            automation.start(tasks)

    def _access(self, faces: Faces | None) -> Access:
        if faces is not None:
            return faces.access
        log.warning(fields("no accounts: whoever connects may do everything"))
        return AllowAll()

    def _faces(self, ground: _Ground, automation: Automation) -> Faces:
        async def collect() -> str:
            found = await ground.workers.run(ground.collector.collect)
            return f"Removed {found.blobs} blobs ({found.size_bytes} bytes)."

        config = self._config
        settings = Settings(
            root=config.root,
            public_url=config.public_url,
            private_by_default=config.private_by_default,
            sign_up=config.sign_up,
            sign_ups_per_hour=config.sign_ups_per_hour,
            plan=config.plan,
        )
        return Faces(
            settings,
            database=ground.database,
            storage=ground.storage,
            collect_garbage=collect,
            drop_uploads=ground.uploads.drop,
            endpoints=automation_endpoints(automation),
            views=automation_views(automation),
        )

    def _parts(self, access: Access, ground: _Ground) -> Parts:
        config, database, workers = self._config, ground.database, ground.workers
        sweep = SweepLock(config.root / "sweep.lock")
        return Parts(
            access=access,
            database=database,
            storage=ground.storage,
            workers=workers,
            blobs=Blobs(
                database=database,
                storage=ground.storage,
                sweep=sweep,
                workers=workers,
                lease_s=config.lease_s,
            ),
            uploads=ground.uploads,
            sender=BlobSender(ground.storage, workers),
            pulls=ground.pulls,
            quotas=Quotas(database=database, staging=staging(config), plan=config.plan),
            private_by_default=config.private_by_default,
            lease_s=config.lease_s,
        )

    async def _collect(self, collector: Collector, workers: Workers) -> None:
        """At intervals; the first one after a random share, so that restarts don't pile up."""
        interval_s = self._config.gc_interval_s
        if not interval_s:
            return
        await anyio.sleep(interval_s * random.uniform(0.1, 1.0))  # noqa: S311 - no secret
        while True:
            try:
                await workers.run(collector.collect)
            except Exception:  # the boundary of the task: the next collection may do better
                log.exception("garbage collection failed")
            await anyio.sleep(interval_s)

    async def _flush(self, pulls: PullCounts) -> None:
        while True:
            await anyio.sleep(FLUSH_EVERY_S)
            try:
                await pulls.flush()
            except Exception:  # the boundary of the task: they are only statistics
                log.exception("pull counts not written")
