"""How a node that was told to join gets its certificate, in one attempt after the other.

    pending --certificate kept--> member          no manager in reach, not ready: again each second
       '-----refused, or given up--> the reason

Each attempt is made with the same key, so that it becomes the same node, however often the daemon
is killed in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from sampan.daemon.swarm_standing import Standing
from sampan.errors import SampanError, Unavailable
from sampan.lib.log import fields
from sampan.swarm.membership import addresses, joining
from sampan.swarm.membership.files import Keyring
from sampan.swarm.peer.client import Unreachable

log = logging.getLogger(__name__)

AGAIN_S = 1.0


async def get_certificate(standing: Standing) -> None:
    """Raises what a manager says, Unavailable."""
    pending = standing.state.join
    assert pending is not None
    host = addresses.split(standing.state.advertise)[0]
    issued = await joining.join(pending, host)
    keyring = Keyring(certificate=issued.certificate, key=pending.key, roots=issued.roots)
    await standing.keep(keyring)
    await standing.save(
        replace(
            standing.state,
            node_id=issued.node_id,
            cluster_id=issued.cluster_id,
            role=issued.role,
            join=None,
        )
    )


class Joining:
    """Tries until it has worked, or can't any more: `attempts` to reach anybody, or for ever."""

    def __init__(
        self,
        attempt: Callable[[], Awaitable[None]],
        failed: Callable[[SampanError], None],
        attempts: int | None,
    ) -> None:
        self._attempt = attempt
        self._failed = failed
        self._attempts = attempts

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                await self._attempt()
                return
            except Unreachable as error:
                failures += 1
                if failures == self._attempts:
                    self._failed(error)
                    return
                log.warning(fields("not joined yet", reason=error.message))
            except Unavailable as error:
                log.warning(fields("not joined yet", reason=error.message))
            except SampanError as error:
                log.error(fields("join refused", reason=error.message))
                self._failed(error)
                return
            await asyncio.sleep(AGAIN_S)
