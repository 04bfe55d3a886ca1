"""Calls to managers: from agents, from joining nodes, between managers.

    client = PeerClient(credentials.client)
    status = await client.call("10.0.0.1:2377", "POST", "/dispatcher/heartbeat", beat, kind=Answer)
    async with client.stream(address, "/dispatcher/session", hello) as lines:
        async for line in lines:            # bytes of one JSON value
            ...

`Managers` is the list that a node knows, in the order to try. Failures that a manager reports are
raised as what they were there (faults); Unreachable means that there was no answer at all.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import aiohttp
import msgspec

from sampan.errors import Unavailable
from sampan.swarm.peer import faults
from sampan.swarm.peer.credentials import MANAGER_NAME

Result = TypeVar("Result")

CONNECT_S = 1.5  # two attempts of TCP: after a partition, the next is tried soon


class Unreachable(Unavailable):
    def __init__(self, address: str, why: object) -> None:
        super().__init__(f"manager {address} can't be reached: {why}")


class NoManager(Unavailable):
    def __init__(self) -> None:
        super().__init__("no manager of the swarm can be reached")


class Managers:
    """Addresses (host:port) of managers: the one that answered last first, others at random."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = list(dict.fromkeys(addresses))
        self._favourite = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._addresses)

    def replace(self, addresses: Iterable[str]) -> None:
        """An empty list is no news: one manager must be known."""
        self._addresses = list(dict.fromkeys(addresses)) or self._addresses

    def in_order(self) -> list[str]:
        others = [address for address in self._addresses if address != self._favourite]
        random.shuffle(others)
        return [self._favourite, *others] if self._favourite in self._addresses else others

    def answered(self, address: str) -> None:
        self._favourite = address

    def failed(self, address: str) -> None:
        if self._favourite == address:
            self._favourite = ""


class PeerClient:
    """`tls` gives the context of the moment."""

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def call(
        self,
        address: str,
        method: str,
        path: str,
        body: Any = None,  # any msgspec value
        *,
        kind: type[Result],
        timeout_s: float = 10,
    ) -> Result:
        """Raises Unreachable, or what the manager says."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._request(address, method, path, body) as response,
            ):
                answer = await response.read()
                status = response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(address, str(error) or type(error).__name__) from error
        if status != 200:
            raise faults.decode(answer)
        if kind is bytes:
            return cast("Result", answer)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.DecodeError as error:
            raise Unreachable(address, f"it answers something else: {error}") from error

    async def call_any(
        self,
        managers: Managers,
        method: str,
        path: str,
        body: Any = None,  # any msgspec value
        *,
        kind: type[Result],
        timeout_s: float = 10,
    ) -> Result:
        """The first manager that can be reached. Raises NoManager, or what that manager says."""
        failure: Unreachable | None = None
        for address in managers.in_order():
            try:
                found = await self.call(address, method, path, body, kind=kind, timeout_s=timeout_s)
            except Unreachable as error:
                managers.failed(address)
                failure = error
            else:
                managers.answered(address)
                return found
        raise NoManager from failure

    @asynccontextmanager
    async def stream(
        self, address: str, path: str, body: Any = None, *, silence_s: float | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """POST; lines of the answer until either end has enough.

        Raises Unreachable, also when nothing came for `silence_s`; or what the manager says.
        """
        try:
            async with self._request(address, "POST", path, body) as response:
                if response.status != 200:
                    raise faults.decode(await response.read())
                yield _lines(response, silence_s)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(address, str(error) or type(error).__name__) from error

    def _request(self, address: str, method: str, path: str, body: Any) -> Any:
        if self._closed:
            raise Unreachable(address, "the client is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            )
        return self._session.request(
            method,
            f"https://{address}{path}",
            data=msgspec.json.encode(body) if body is not None else None,
            ssl=self._tls(),
            server_hostname=MANAGER_NAME,
        )

    async def close(self) -> None:
        """For good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _lines(response: aiohttp.ClientResponse, silence_s: float | None) -> AsyncIterator[bytes]:
    rest: list[bytes] = []
    chunks = response.content.iter_any()
    while True:
        try:
            async with asyncio.timeout(silence_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        first, *lines = chunk.split(b"\n")
        rest.append(first)
        for line in lines:
            yield b"".join(rest)
            rest = [line]
