"""Restarts that a policy asks for: the pause before them, and how to call them off.

`runtime.restart` decides; here are the delays of the containers that were restarted lately, and the
timers of those that wait. In memory: after a daemon restart the delays begin anew.
"""

import asyncio
from dataclasses import dataclass

from sampan.engine.containers.record import Container
from sampan.lib import gotime
from sampan.lib.ids import ContainerId
from sampan.runtime import restart
from sampan.runtime.restart import Decision


@dataclass(slots=True)
class _Wait:
    called_off: asyncio.Event


class Restarts:
    def __init__(self) -> None:
        self._delays_s: dict[ContainerId, float] = {}
        self._waits: dict[ContainerId, _Wait] = {}
        self._held: set[ContainerId] = set()

    def decide(self, container: Container, *, exit_code: int, now_ns: int) -> Decision:
        """What to do at the end of a run. `container` is its record from before the end."""
        decision = restart.after_exit(
            container.host.RestartPolicy,
            exit_code=exit_code,
            run_s=(now_ns - container.state.started_ns) / gotime.NANOS,
            restart_count=container.restart_count,
            last_delay_s=self._delays_s.get(container.id, 0.0),
            stopped_by_user=container.state.manually_stopped or container.id in self._held,
        )
        if decision.restart:
            self._delays_s[container.id] = decision.delay_s
        else:
            self._delays_s.pop(container.id, None)
        return decision

    async def pause(self, identifier: ContainerId, delay_s: float) -> bool:
        """Wait before a restart; False when it was called off."""
        wait = self._waits[identifier] = _Wait(asyncio.Event())
        try:
            async with asyncio.timeout(delay_s):
                await wait.called_off.wait()
        except TimeoutError:
            return True
        finally:
            if self._waits.get(identifier) is wait:
                del self._waits[identifier]
        return False

    def call_off(self, identifier: ContainerId) -> None:
        """A user stops or removes the container. Idempotent."""
        self._delays_s.pop(identifier, None)
        if (wait := self._waits.get(identifier)) is not None:
            wait.called_off.set()

    # `docker restart` ends a run that neither a policy nor AutoRemove may act upon.

    def hold(self, identifier: ContainerId) -> None:
        self._held.add(identifier)

    def is_held(self, identifier: ContainerId) -> bool:
        return identifier in self._held

    def let_go(self, identifier: ContainerId) -> None:
        self._held.discard(identifier)
