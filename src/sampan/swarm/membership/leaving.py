"""A node's side of leaving: it tells a manager, so that nobody waits for its heartbeats.

Its tasks get successors elsewhere at once, and it may be removed. Without an answer nothing is lost
but the time until the managers notice by themselves.
"""

import asyncio
import logging
from collections.abc import Sequence

from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.swarm.etcd.process import TlsFiles
from sampan.swarm.membership.documents import Nothing
from sampan.swarm.membership.routes import DEPARTURE
from sampan.swarm.peer.client import Managers, PeerClient
from sampan.swarm.peer.credentials import Credentials

log = logging.getLogger(__name__)

LIMIT_S = 3.0  # whatever the managers do: the node leaves


async def say_farewell(tls: TlsFiles, managers: Sequence[str]) -> None:
    """To one of the managers (addresses), after the agent has ended: it would register anew."""
    if not managers:
        return
    try:
        client = PeerClient(Credentials(tls).client)
    except OSError as error:  # ssl.SSLError is one
        log.info(fields("left without a word", reason=error))
        return
    try:
        async with asyncio.timeout(LIMIT_S):
            known = Managers(managers)
            await client.call_any(known, "POST", DEPARTURE, kind=Nothing, timeout_s=LIMIT_S)
    except (SampanError, TimeoutError) as error:
        log.info(fields("left without a word", reason=error))
    finally:
        await client.close()
