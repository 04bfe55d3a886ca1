"""Calls to etcd's JSON gateway (v3, HTTP), one endpoint at a time.

Numbers of 64 bits and bytes travel as texts (decimal, base64). A call that fails without an answer
moves on to the next endpoint for the call after it, and ends streams of the one that it left (they
may never hear of it); nobody repeats a call here, because only the
caller knows whether that is safe. Kinds of failure:

    EtcdSilent    no answer, no leader, timeout: the call may or may not have happened
    EtcdRefused   etcd said no; it hasn't happened
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from sampan.errors import Internal, Unavailable
from sampan.swarm.etcd.login import Login

# gRPC codes by which etcd itself says no: invalid argument, not found, already exists, permission
# denied, resource exhausted, failed precondition, out of range, unimplemented, unauthenticated.
# All others may come from a gateway whose etcd has gone away.
_REFUSALS = frozenset({3, 5, 6, 7, 8, 9, 11, 12, 16})

AUTHENTICATE = "/v3/auth/authenticate"
LOGIN_S = 5.0

Answer = dict[str, Any]  # the gateway's JSON; read only by the modules beside this one
Tls = Callable[[], ssl.SSLContext | None]


class EtcdSilent(Unavailable):
    def __init__(self, why: str) -> None:
        super().__init__(f"the swarm's store doesn't answer: {why}")


class EtcdRefused(Internal):
    """`code` is gRPC's."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


def encoded(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def range_end(prefix: str) -> str:
    """The first key behind all that begin with `prefix` (whose last character isn't 0xff)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class EtcdClient:
    """`tls` gives the context of the moment: certificates are renewed under way. `login`: of a user
    of that etcd, where it asks for one."""

    def __init__(
        self,
        endpoints: Sequence[str],
        tls: Tls | None = None,
        headers: Mapping[str, str] | None = None,
        login: Login | None = None,
    ) -> None:
        self._endpoints = tuple(endpoint.rstrip("/") for endpoint in endpoints)
        self._tls = tls
        self._headers = dict(headers or {})
        self._login = login
        self._streams: set[aiohttp.ClientResponse] = set()
        self._at = 0
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def call(self, path: str, body: Answer | None = None, *, timeout_s: float = 5) -> Answer:
        """One request, one answer. Raises EtcdSilent, EtcdRefused."""
        try:
            return await self._call(path, body or {}, timeout_s)
        except EtcdRefused as error:
            if self._login is None or not self._login.forgets(error.code, error.message):
                raise
        return await self._call(path, body or {}, timeout_s)

    async def _call(self, path: str, body: Answer, timeout_s: float) -> Answer:
        await self._log_in(timeout_s)
        return await self._ask(path, body, timeout_s)

    async def _ask(self, path: str, body: Answer, timeout_s: float) -> Answer:
        at = self._at
        try:
            async with asyncio.timeout(timeout_s), self._post(path, body) as response:
                answer = msgspec.json.decode(await response.read(), type=Answer)
                status = response.status
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            self._move_on(at)
            raise EtcdSilent(str(error) or type(error).__name__) from error
        if status != 200:
            self._refuse(answer, at)
        return answer

    async def _log_in(self, timeout_s: float) -> None:
        login = self._login
        if login is None or login.token:
            return
        try:
            question = login.question()
        except OSError as error:
            raise EtcdSilent(f"its password can't be read: {error}") from error
        answer = await self._ask(AUTHENTICATE, question, timeout_s)
        login.token = str(answer["token"])

    @asynccontextmanager
    async def stream(self, path: str, body: Answer) -> AsyncIterator[AsyncIterator[Answer]]:
        """One request, many answers: each is a `result`. Ends when etcd ends it."""
        await self._log_in(LOGIN_S)
        at = self._at
        try:
            async with self._post(path, body) as response:
                self._streams.add(response)
                try:
                    yield self._results(response, at)
                finally:
                    self._streams.discard(response)
        except (aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            self._move_on(at)
            raise EtcdSilent(str(error) or type(error).__name__) from error

    async def _results(self, response: aiohttp.ClientResponse, at: int) -> AsyncIterator[Answer]:
        rest: list[bytes] = []
        async for chunk in response.content.iter_any():
            first, *lines = chunk.split(b"\n")
            rest.append(first)
            for line in lines:
                yield self._result(b"".join(rest), at)
                rest = [line]

    def _result(self, line: bytes, at: int) -> Answer:
        answer = msgspec.json.decode(line, type=Answer)
        if "result" not in answer:
            try:
                self._refuse(answer.get("error", answer), at)
            except EtcdRefused as error:
                if self._login is None or not self._login.forgets(error.code, error.message):
                    raise
                raise EtcdSilent(error.message) from error  # the next stream has a new token
        return dict(answer["result"])

    def _refuse(self, answer: Answer, at: int) -> None:
        code = int(answer.get("code") or answer.get("grpc_code") or 2)
        why = str(answer.get("message") or answer.get("error") or "no reason given")
        if code not in _REFUSALS:
            self._move_on(at)
            raise EtcdSilent(why)
        raise EtcdRefused(code, why)

    def _post(self, path: str, body: Answer) -> Any:
        if self._closed:
            raise EtcdSilent("the client is closed")
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, read_bufsize=1 << 20
            )
        return self._session.post(
            self._endpoints[self._at % len(self._endpoints)] + path,
            data=msgspec.json.encode(body),
            headers=self._headers | self._authorization(path),
            ssl=(self._tls() if self._tls else None) or True,
        )

    def _authorization(self, path: str) -> dict[str, str]:
        asks = path != AUTHENTICATE and self._login is not None
        return {"Authorization": self._login.token} if asks and self._login else {}

    def _move_on(self, at: int) -> None:
        if self._at != at:
            return
        self._at += 1
        if len(self._endpoints) > 1:
            for response in self._streams:
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()

    async def close(self) -> None:
        """For good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None
