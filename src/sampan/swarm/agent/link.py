"""How an agent reaches managers: one `Link` to each, over the network or in the same process."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sampan.swarm.messages import Down, Hello, LogLines, Report


class Link(Protocol):
    """One manager. All raise SampanError: Unavailable when it can't be reached, NotFound for a
    session that it doesn't know (any more)."""

    @property
    def address(self) -> str:
        """Also names it in the log."""
        ...

    def session(self, hello: Hello) -> AbstractAsyncContextManager[AsyncIterator[Down]]:
        """The iteration ends when the manager ends it."""
        ...

    async def beat(self, session: str) -> int:
        """The period in nanoseconds until the next."""
        ...

    async def report(self, session: str, reports: Sequence[Report]) -> None:
        """They are durable when this returns."""
        ...

    async def logs(self, session: str, lines: LogLines) -> bool:
        """False: nobody reads that subscription any more."""
        ...


class Managers(Protocol):
    """Those that are known."""

    def pick(self) -> Link:
        """The next one to try. Raises Unavailable when none is known."""
        ...

    def answered(self, link: Link) -> None: ...

    def failed(self, link: Link) -> None: ...

    def learn(self, addresses: Sequence[str]) -> None:
        """From a manager."""
        ...
