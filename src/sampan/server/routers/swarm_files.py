"""/secrets and /configs."""

from aiohttp import web

from sampan.errors import InvalidArgument
from sampan.server.call import Call
from sampan.server.routers.services import ControlBackend
from sampan.server.routes import Route
from sampan.wire.swarm import ConfigSpec, SecretSpec


class SwarmFilesRouter:
    def __init__(self, *, swarm: ControlBackend) -> None:
        self._swarm = swarm

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/secrets", self.secrets),
            Route("POST", "/secrets/create", self.create_secret),
            Route("GET", "/secrets/{id}", self.secret),
            Route("DELETE", "/secrets/{id}", self.remove_secret),
            Route("POST", "/secrets/{id}/update", self.update_secret),
            Route("GET", "/configs", self.configs),
            Route("POST", "/configs/create", self.create_config),
            Route("GET", "/configs/{id}", self.config),
            Route("DELETE", "/configs/{id}", self.remove_config),
            Route("POST", "/configs/{id}/update", self.update_config),
        ]

    async def secrets(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.secrets.list(call.filters()))

    async def create_secret(self, call: Call) -> web.Response:
        spec = await call.body(SecretSpec)
        return call.reply(await self._swarm.control.secrets.create(spec), status=201)

    async def secret(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.secrets.inspect(call.params["id"]))

    async def remove_secret(self, call: Call) -> web.Response:
        await self._swarm.control.secrets.remove(call.params["id"])
        return call.empty()

    async def update_secret(self, call: Call) -> web.Response:
        spec = await call.body(SecretSpec)
        version = _version(call, "secret")
        await self._swarm.control.secrets.update(call.params["id"], version, spec)
        return call.empty(200)

    async def configs(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.configs.list(call.filters()))

    async def create_config(self, call: Call) -> web.Response:
        spec = await call.body(ConfigSpec)
        return call.reply(await self._swarm.control.configs.create(spec), status=201)

    async def config(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.configs.inspect(call.params["id"]))

    async def remove_config(self, call: Call) -> web.Response:
        await self._swarm.control.configs.remove(call.params["id"])
        return call.empty()

    async def update_config(self, call: Call) -> web.Response:
        spec = await call.body(ConfigSpec)
        version = _version(call, "config")
        await self._swarm.control.configs.update(call.params["id"], version, spec)
        return call.empty(200)


def _version(call: Call, kind: str) -> int:
    text = call.text("version")
    if not text.isdecimal():
        raise InvalidArgument(f"invalid {kind} version")
    return int(text)
