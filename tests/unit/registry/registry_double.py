"""A scripted registry on loopback: tests say what it answers, and read what it was asked."""

from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RegistryDouble:
    """`base` is http://127.0.0.1:<port>; `requests` are (method, path, Authorization)."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[tuple[str, str, str | None]] = []

    async def __aenter__(self) -> Self:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests.append(
                (request.method, request.path_qs, request.headers.get("Authorization"))
            )
            return await self._handler(request)

        self._runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        self.port = self._site._server.sockets[0].getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.base = f"http://{self.host}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
