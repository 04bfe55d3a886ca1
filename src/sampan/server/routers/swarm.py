"""Swarm and plugin endpoints of an engine that is in no swarm and has no managed plugins.

The texts are dockerd's: CLI and docker-py tell their users what to do by them.
"""

from aiohttp import web

from sampan.errors import NotFound, Unavailable
from sampan.server.call import Call
from sampan.server.routes import Route

MANAGER_ONLY = (
    ("GET", "/swarm"),
    ("POST", "/swarm/update"),
    ("GET", "/swarm/unlockkey"),
    ("POST", "/swarm/unlock"),
    ("GET", "/nodes"),
    ("GET", "/nodes/{id}"),
    ("DELETE", "/nodes/{id}"),
    ("POST", "/nodes/{id}/update"),
    ("GET", "/services"),
    ("POST", "/services/create"),
    ("GET", "/services/{id}"),
    ("DELETE", "/services/{id}"),
    ("POST", "/services/{id}/update"),
    ("GET", "/services/{id}/logs"),
    ("GET", "/tasks"),
    ("GET", "/tasks/{id}"),
    ("GET", "/tasks/{id}/logs"),
    ("GET", "/secrets"),
    ("POST", "/secrets/create"),
    ("GET", "/secrets/{id}"),
    ("DELETE", "/secrets/{id}"),
    ("POST", "/secrets/{id}/update"),
    ("GET", "/configs"),
    ("POST", "/configs/create"),
    ("GET", "/configs/{id}"),
    ("DELETE", "/configs/{id}"),
    ("POST", "/configs/{id}/update"),
)
PLUGIN_BY_NAME = (
    ("GET", "/plugins/{name:.*}/json"),
    ("DELETE", "/plugins/{name:.*}"),
    ("POST", "/plugins/{name:.*}/enable"),
    ("POST", "/plugins/{name:.*}/disable"),
    ("POST", "/plugins/{name:.*}/set"),
    ("POST", "/plugins/{name:.*}/push"),
    ("POST", "/plugins/{name:.*}/upgrade"),
)


class NotManager(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
            "to connect this node to swarm and try again."
        )


class NotInSwarm(Unavailable):
    def __init__(self) -> None:
        super().__init__("This node is not part of a swarm")


class NoSuchPlugin(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f'plugin "{name}" not found')


class SwarmRouter:
    def routes(self) -> list[Route]:
        return [
            *(Route(method, template, self.manager_only) for method, template in MANAGER_ONLY),
            Route("POST", "/swarm/leave", self.leave),
            Route("GET", "/plugins", self.plugins),
            *(Route(method, template, self.plugin) for method, template in PLUGIN_BY_NAME),
        ]

    async def manager_only(self, call: Call) -> web.Response:
        raise NotManager

    async def leave(self, call: Call) -> web.Response:
        raise NotInSwarm

    async def plugins(self, call: Call) -> web.Response:
        return call.reply([])

    async def plugin(self, call: Call) -> web.Response:
        raise NoSuchPlugin(call.params["name"])
