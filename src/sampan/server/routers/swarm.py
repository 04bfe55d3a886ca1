"""/swarm and /nodes: membership of this node, the swarm's settings, its nodes."""

from typing import Protocol

from aiohttp import web

from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.swarm.control.control import Control
from sampan.swarm.control.lookup import version_of
from sampan.wire.swarm import NodeSpec, SwarmSpec
from sampan.wire.swarm_views import InitRequest, JoinRequest, SwarmStanding, UnlockKey


class SwarmBackend(Protocol):
    """This node's part in a swarm."""

    @property
    def control(self) -> Control:
        """Raises NotManager, WorkerOnly, SwarmLocked where this node can't answer."""
        ...

    def standing(self) -> SwarmStanding: ...
    async def init(self, request: InitRequest) -> str:
        """The node's id. Raises AlreadyInSwarm."""
        ...

    async def join(self, request: JoinRequest) -> None: ...
    async def leave(self, *, force: bool) -> None: ...
    async def unlock(self, key: str) -> None: ...


class SwarmRouter:
    def __init__(self, *, swarm: SwarmBackend) -> None:
        self._swarm = swarm

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/swarm", self.inspect),
            Route("POST", "/swarm/init", self.init),
            Route("POST", "/swarm/join", self.join),
            Route("POST", "/swarm/leave", self.leave),
            Route("POST", "/swarm/update", self.update),
            Route("GET", "/swarm/unlockkey", self.unlock_key),
            Route("POST", "/swarm/unlock", self.unlock),
            Route("GET", "/nodes", self.nodes),
            Route("GET", "/nodes/{id}", self.node),
            Route("POST", "/nodes/{id}/update", self.update_node),
            Route("DELETE", "/nodes/{id}", self.remove_node),
        ]

    async def inspect(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.cluster.inspect())

    async def init(self, call: Call) -> web.Response:
        return call.reply(await self._swarm.init(await call.body(InitRequest)))

    async def join(self, call: Call) -> web.Response:
        await self._swarm.join(await call.body(JoinRequest))
        return call.empty(200)

    async def leave(self, call: Call) -> web.Response:
        await self._swarm.leave(force=call.flag("force"))
        return call.empty(200)

    async def update(self, call: Call) -> web.Response:
        spec = await call.body(SwarmSpec)
        version = version_of(call.text("version"), "swarm")
        await self._swarm.control.cluster.update(
            version,
            spec,
            rotate_worker_token=call.flag("rotateWorkerToken"),
            rotate_manager_token=call.flag("rotateManagerToken"),
            rotate_unlock_key=call.flag("rotateManagerUnlockKey"),
        )
        return call.empty(200)

    async def unlock_key(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.cluster.unlock_key())

    async def unlock(self, call: Call) -> web.Response:
        request = await call.body(UnlockKey)
        await self._swarm.unlock(request.UnlockKey)
        return call.empty(200)

    async def nodes(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.nodes.list(call.filters()))

    async def node(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.nodes.inspect(call.params["id"]))

    async def update_node(self, call: Call) -> web.Response:
        spec = await call.body(NodeSpec)
        version = version_of(call.text("version"), "node")
        await self._swarm.control.nodes.update(call.params["id"], version, spec)
        return call.empty(200)

    async def remove_node(self, call: Call) -> web.Response:
        await self._swarm.control.nodes.remove(call.params["id"], force=call.flag("force"))
        return call.empty(200)
