"""A layer on its way in, for code on the event loop: given up wholly when it doesn't arrive.

A cancelled caller never sees the result of a worker that was at it, be it the ingest itself or the
finished layer. So the ingest is kept here from the moment it exists, and whatever ends the block
early discards it, the filled stage included. What broke off, though, leaves the bytes of the blob
that came (`resume`): the next try goes on with them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.registry.failures import ErrorAnswer, Unreachable
from sampan.store.content import ContentStore
from sampan.store.ingest import LayerIngest
from sampan.store.leases import Lease
from sampan.store.snapshots import Snapshotter


@asynccontextmanager
async def layer_ingest(
    workers: Workers,
    content: ContentStore,
    snapshots: Snapshotter,
    lease: Lease,
    *,
    resume: tuple[Digest, int] | None = None,
) -> AsyncIterator[LayerIngest]:
    """The block ends with `finish`, whose layer is then the caller's, or by an exception."""
    begun: list[LayerIngest] = []

    def begin() -> None:
        begun.append(LayerIngest(content, snapshots, lease, resume))

    try:
        await workers.run(begin)
        yield begun[0]
    except (asyncio.CancelledError, ErrorAnswer, Unreachable):
        for ingest in begun:
            await workers.run(ingest.suspend)
        raise
    except BaseException:
        for ingest in begun:
            await workers.run(ingest.discard)
        raise
