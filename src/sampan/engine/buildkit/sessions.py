"""The sessions of clients that build: what each client serves, and finding it by id.

The client opens POST /session and becomes the gRPC server of that connection; a build names the
session and the engine calls back. The two arrive on different connections, in any order, so that
`get` waits a little. Sessions live as long as their connections.
"""

import asyncio

from sampan.errors import InvalidArgument, NotFound
from sampan.rpc.calls import Caller

WAIT_S = 10.0


class NoSession(NotFound):
    def __init__(self, identifier: str) -> None:
        super().__init__(f"no active session for {identifier}")


class SessionTaken(InvalidArgument):
    def __init__(self, identifier: str) -> None:
        super().__init__(f"session {identifier} already exists")


class Sessions:
    """In memory only: a restarted daemon has no connections."""

    def __init__(self) -> None:
        self._callers: dict[str, Caller] = {}
        self._changed = asyncio.Condition()

    def check_free(self, identifier: str) -> None:
        """Raises InvalidArgument, SessionTaken."""
        if not identifier:
            raise InvalidArgument("a session needs an id")
        if identifier in self._callers:
            raise SessionTaken(identifier)

    async def add(self, identifier: str, caller: Caller) -> None:
        self.check_free(identifier)
        async with self._changed:
            self._callers[identifier] = caller
            self._changed.notify_all()

    def remove(self, identifier: str) -> None:
        self._callers.pop(identifier, None)

    async def get(self, identifier: str) -> Caller:
        """Waits for a session that is about to come. Raises NoSession."""
        identifier = identifier.rpartition(":")[2]  # a prefix tells equal sessions' uses apart
        try:
            async with asyncio.timeout(WAIT_S), self._changed:
                await self._changed.wait_for(lambda: identifier in self._callers)
        except TimeoutError:
            raise NoSession(identifier) from None
        return self._callers[identifier]
