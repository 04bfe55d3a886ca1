"""/_ping, /version, /info, /system/df, /auth: the engine about itself."""

from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from sampan.errors import InvalidArgument
from sampan.registry import keychain
from sampan.registry.keychain import Credentials
from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.wire.swarm_views import SwarmStanding
from sampan.wire.system import AuthConfig, AuthResult, DiskUsage, Info, Version
from sampan.wire.versions import ApiVersion

PING_HEADERS: Mapping[str, str] = {
    "Builder-Version": "2",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Content-Type": "text/plain; charset=utf-8",
    "Pragma": "no-cache",
}
USAGE_KINDS = frozenset({"container", "image", "volume", "build-cache"})


class SystemBackend(Protocol):
    def info(self) -> Info: ...
    def version(self) -> Version: ...
    def standing(self) -> SwarmStanding: ...


class UsageBackend(Protocol):
    async def usage(self, kinds: frozenset[str]) -> DiskUsage:
        """Disk use of the kinds asked for; the other lists stay None."""
        ...


class LoginBackend(Protocol):
    async def login(self, credentials: Credentials) -> str:
        """Try credentials at their registry. Returns the identity token, often empty."""
        ...


class SystemRouter:
    def __init__(
        self,
        *,
        system: SystemBackend,
        usage: UsageBackend | None = None,
        logins: LoginBackend | None = None,
    ) -> None:
        self._system = system
        self._usage = usage
        self._logins = logins

    def routes(self) -> list[Route]:
        found = [
            Route("GET", "/_ping", self.ping),
            Route("HEAD", "/_ping", self.ping),
            Route("GET", "/version", self.version),
            Route("GET", "/info", self.info),
        ]
        if self._usage is not None:
            found.append(Route("GET", "/system/df", self.disk_usage, ApiVersion(1, 25)))
        if self._logins is not None:
            found.append(Route("POST", "/auth", self.auth))
        return found

    async def ping(self, call: Call) -> web.Response:
        body = b"OK" if call.request.method == "GET" else b""
        return web.Response(body=body, headers={**PING_HEADERS, "Swarm": self._swarm_word()})

    def _swarm_word(self) -> str:
        """As dockerd: the node's state, for members with their part in the swarm."""
        swarm = self._system.standing()
        if swarm.LocalNodeState != "active":
            return swarm.LocalNodeState
        return "active/manager" if swarm.ControlAvailable else "active/worker"

    async def version(self, call: Call) -> web.Response:
        return call.reply(self._system.version())

    async def info(self, call: Call) -> web.Response:
        return call.reply(self._system.info())

    async def disk_usage(self, call: Call) -> web.Response:
        assert self._usage is not None
        kinds = frozenset(call.texts("type")) or USAGE_KINDS
        for kind in sorted(kinds - USAGE_KINDS):
            raise InvalidArgument(f"unknown object type: {kind}")
        return call.reply(await self._usage.usage(kinds))

    async def auth(self, call: Call) -> web.Response:
        assert self._logins is not None
        auth = await call.body(AuthConfig)
        token = await self._logins.login(keychain.from_auth_config(auth))
        return call.reply(AuthResult(IdentityToken=token))
