"""/services and /tasks, with their logs."""

from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import web

from sampan.server import streams
from sampan.server.call import Call
from sampan.server.hijack import content_type
from sampan.server.routers.container_io import moment_ns, tail
from sampan.server.routes import Route
from sampan.swarm.control.control import Control
from sampan.swarm.control.logs import LogRequest
from sampan.swarm.control.lookup import version_of
from sampan.swarm.messages import LogOptions
from sampan.wire.services import ServiceSpec


class ControlBackend(Protocol):
    @property
    def control(self) -> Control:
        """Raises where this node is no manager."""
        ...


class ServicesRouter:
    def __init__(self, *, swarm: ControlBackend) -> None:
        self._swarm = swarm

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/services", self.list),
            Route("POST", "/services/create", self.create),
            Route("GET", "/services/{id}", self.inspect),
            Route("DELETE", "/services/{id}", self.remove),
            Route("POST", "/services/{id}/update", self.update),
            Route("GET", "/services/{id}/logs", self.logs),
            Route("GET", "/tasks", self.tasks),
            Route("GET", "/tasks/{id}", self.task),
            Route("GET", "/tasks/{id}/logs", self.task_logs),
        ]

    async def list(self, call: Call) -> web.Response:
        services = self._swarm.control.services
        return call.reply(services.list(call.filters(), status=call.flag("status")))

    async def create(self, call: Call) -> web.Response:
        spec = await call.body(ServiceSpec)
        auth = call.request.headers.get("X-Registry-Auth", "")
        created = await self._swarm.control.services.create(spec, registry_auth=auth)
        return call.reply(created, status=201)

    async def inspect(self, call: Call) -> web.Response:
        services = self._swarm.control.services
        defaults = call.flag("insertDefaults")
        return call.reply(services.inspect(call.params["id"], insert_defaults=defaults))

    async def update(self, call: Call) -> web.Response:
        spec = await call.body(ServiceSpec)
        updated = await self._swarm.control.services.update(
            call.params["id"],
            version_of(call.text("version"), "service"),
            spec,
            rollback=call.text("rollback"),
            registry_auth=call.request.headers.get("X-Registry-Auth", ""),
            registry_auth_from=call.text("registryAuthFrom"),
        )
        return call.reply(updated)

    async def remove(self, call: Call) -> web.Response:
        await self._swarm.control.services.remove(call.params["id"])
        return call.empty(200)

    async def tasks(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.tasks.list(call.filters()))

    async def task(self, call: Call) -> web.Response:
        return call.reply(self._swarm.control.tasks.inspect(call.params["id"]))

    async def logs(self, call: Call) -> web.StreamResponse:
        opened = self._swarm.control.logs.of_service(call.params["id"], _log_request(call))
        return await _stream(call, *opened)

    async def task_logs(self, call: Call) -> web.StreamResponse:
        opened = self._swarm.control.logs.of_task(call.params["id"], _log_request(call))
        return await _stream(call, *opened)


async def _stream(
    call: Call,
    is_raw: bool,
    chunks: AsyncIterator[bytes],
) -> web.StreamResponse:
    return await streams.raw(call, chunks, content_type(call, tty=is_raw), at_once=True)


def _log_request(call: Call) -> LogRequest:
    options = LogOptions(
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        follow=call.flag("follow"),
        tail=tail(call.text("tail")),
        since_ns=moment_ns(call, "since"),
        until_ns=moment_ns(call, "until"),
    )
    return LogRequest(options, timestamps=call.flag("timestamps"), details=call.flag("details"))
