"""A layer on its way in, for code on the event loop: given up wholly when it doesn't arrive.

A cancelled caller never sees the result of a worker that was at it, be it the ingest itself or the
finished layer. So the ingest is kept here from the moment it exists, and whatever ends the block
early discards it, the filled stage included.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sampan.lib.workers import Workers
from sampan.store.content import ContentStore
from sampan.store.ingest import LayerIngest
from sampan.store.leases import Lease
from sampan.store.snapshots import Snapshotter


@asynccontextmanager
async def layer_ingest(
    workers: Workers, content: ContentStore, snapshots: Snapshotter, lease: Lease
) -> AsyncIterator[LayerIngest]:
    """The block ends with `finish`, whose layer is then the caller's, or by an exception."""
    begun: list[LayerIngest] = []

    def begin() -> None:
        begun.append(LayerIngest(content, snapshots, lease))

    try:
        await workers.run(begin)
        yield begun[0]
    except BaseException:
        for ingest in begun:
            await workers.run(ingest.discard)
        raise
