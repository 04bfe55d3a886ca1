"""The owner of the build cache's bound: looks now and again whether it has grown beyond it."""

import asyncio
import logging
import shutil
from pathlib import Path

from sampan.engine.build_cache_use import BuildCacheUse
from sampan.lib.log import fields

log = logging.getLogger(__name__)

FIRST_AFTER_S = 30.0
EVERY_S = 600.0
SHARE = 10  # of the disk: one part in so many
MOST_BYTES = 20_000_000_000


def default_bound(root: Path) -> int:
    """A tenth of the disk, 20 GB at most."""
    return min(shutil.disk_usage(root).total // SHARE, MOST_BYTES)


class CacheCollection:
    """`run` until cancelled. A collection that fails is logged and tried again next time."""

    def __init__(self, use: BuildCacheUse, *, kept_bytes: int) -> None:
        self._use = use
        self._kept_bytes = kept_bytes

    async def run(self) -> None:
        pause_s = FIRST_AFTER_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = EVERY_S
            try:
                done = await self._use.collect(kept_bytes=self._kept_bytes)
            except Exception:
                log.exception("collecting the build cache failed")
                continue
            if done.records:
                log.info(
                    fields(
                        "build cache collected",
                        records=len(done.records),
                        freed_bytes=done.freed_bytes,
                    )
                )
