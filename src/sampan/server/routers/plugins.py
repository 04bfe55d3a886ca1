"""/plugins of an engine that has no managed plugins. The texts are dockerd's."""

from aiohttp import web

from sampan.errors import NotFound
from sampan.server.call import Call
from sampan.server.routes import Route

PLUGIN_BY_NAME = (
    ("GET", "/plugins/{name:.*}/json"),
    ("DELETE", "/plugins/{name:.*}"),
    ("POST", "/plugins/{name:.*}/enable"),
    ("POST", "/plugins/{name:.*}/disable"),
    ("POST", "/plugins/{name:.*}/set"),
    ("POST", "/plugins/{name:.*}/push"),
    ("POST", "/plugins/{name:.*}/upgrade"),
)


class NoSuchPlugin(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f'plugin "{name}" not found')


class PluginsRouter:
    def routes(self) -> list[Route]:
        return [
            Route("GET", "/plugins", self.plugins),
            *(Route(method, template, self.plugin) for method, template in PLUGIN_BY_NAME),
        ]

    async def plugins(self, call: Call) -> web.Response:
        return call.reply([])

    async def plugin(self, call: Call) -> web.Response:
        raise NoSuchPlugin(call.params["name"])
