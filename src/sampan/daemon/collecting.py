"""The owner of garbage collection in the background: at start, and then now and again.

Removals collect at once what they free; this finds what crashes and failed pulls left.
"""

import asyncio
import logging

from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.store.gc import Collector

log = logging.getLogger(__name__)

FIRST_AFTER_S = 60.0  # a start has more urgent things to do
EVERY_S = 3600.0


class CollectionLoop:
    """`run` until cancelled. A collection that fails is logged and tried again next time."""

    def __init__(self, collector: Collector, workers: Workers) -> None:
        self._collector = collector
        self._workers = workers

    async def run(self) -> None:
        pause_s = FIRST_AFTER_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = EVERY_S
            try:
                done = await self._workers.run(self._collector.collect)
            except Exception:
                log.exception("garbage collection failed")
                continue
            if done.blobs or done.snapshots:
                log.info(
                    fields(
                        "garbage collected",
                        blobs=done.blobs,
                        snapshots=done.snapshots,
                        freed_bytes=done.freed_bytes,
                    )
                )
