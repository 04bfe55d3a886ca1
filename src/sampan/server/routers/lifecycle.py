"""Containers from create to remove: what changes their state, and waiting for its change."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from aiohttp import web

from sampan.errors import InvalidArgument, Unsupported
from sampan.server import streams
from sampan.server.call import JSON, Call
from sampan.server.routes import Route
from sampan.wire import codec
from sampan.wire.container_views import (
    ContainersPruned,
    ContainerUpdated,
    UpdateRequest,
)
from sampan.wire.containers import CreateRequest
from sampan.wire.filters import Filters
from sampan.wire.versions import ApiVersion

CONDITIONS_SINCE = ApiVersion(1, 30)  # older clients wait until the container doesn't run
STOP_SIGNAL_SINCE = ApiVersion(1, 42)


class Created(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def warnings(self) -> Sequence[str]: ...


class CreateBackend(Protocol):
    async def create(
        self, request: CreateRequest, *, name: str | None = None, platform: str | None = None
    ) -> Created: ...


class StartBackend(Protocol):
    async def start(self, text: str) -> None:
        """Raises NotModified when it runs, LaunchFailed when it can't."""
        ...


class StopBackend(Protocol):
    async def stop(
        self, text: str, timeout_s: int | None = None, signal_name: str | None = None
    ) -> None: ...
    async def kill(self, text: str, signal_name: str = "") -> None: ...
    async def restart(
        self, text: str, timeout_s: int | None = None, signal_name: str | None = None
    ) -> None: ...


class PauseBackend(Protocol):
    async def pause(self, text: str) -> None: ...
    async def unpause(self, text: str) -> None: ...


class RemoveBackend(Protocol):
    async def remove(
        self, text: str, *, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None: ...
    async def prune(self, filters: Filters) -> tuple[Sequence[str], int]:
        """The ids removed, and the bytes that they had written."""
        ...


class Outcome(Protocol):
    @property
    def exit_code(self) -> int: ...
    @property
    def error(self) -> str: ...


class Ticket(Protocol):
    async def result(self) -> Outcome: ...
    def cancel(self) -> None: ...


class WaitBackend(Protocol):
    def register(self, text: str, condition: str = "") -> Ticket:
        """From the return on, no end is missed. Raises NoSuchContainer, InvalidCondition."""
        ...


class RenameBackend(Protocol):
    async def rename(self, text: str, name: str) -> None: ...


class UpdateBackend(Protocol):
    async def update(self, text: str, request: UpdateRequest) -> Sequence[str]:
        """Returns warnings."""
        ...


class LifecycleRouter:
    def __init__(
        self,
        *,
        creator: CreateBackend,
        starter: StartBackend,
        stopper: StopBackend,
        pauser: PauseBackend,
        remover: RemoveBackend,
        waiter: WaitBackend,
        renamer: RenameBackend,
        updater: UpdateBackend,
    ) -> None:
        self._creator = creator
        self._starter = starter
        self._stopper = stopper
        self._pauser = pauser
        self._remover = remover
        self._waiter = waiter
        self._renamer = renamer
        self._updater = updater

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/containers/create", self.create),
            Route("POST", "/containers/prune", self.prune, ApiVersion(1, 25)),
            Route("POST", "/containers/{id}/start", self.start),
            Route("POST", "/containers/{id}/stop", self.stop),
            Route("POST", "/containers/{id}/restart", self.restart),
            Route("POST", "/containers/{id}/kill", self.kill),
            Route("POST", "/containers/{id}/pause", self.pause),
            Route("POST", "/containers/{id}/unpause", self.unpause),
            Route("POST", "/containers/{id}/wait", self.wait),
            Route("POST", "/containers/{id}/rename", self.rename),
            Route("POST", "/containers/{id}/update", self.update),
            Route("DELETE", "/containers/{id:.*}", self.remove),  # a link's name has a slash
        ]

    async def create(self, call: Call) -> web.Response:
        request = await call.optional_body(CreateRequest)
        if request is None:
            raise InvalidArgument("config cannot be empty in order to create a container")
        made = await self._creator.create(
            request, name=call.text("name") or None, platform=call.text("platform") or None
        )
        return call.reply({"Id": made.id, "Warnings": list(made.warnings)}, status=201)

    async def start(self, call: Call) -> web.Response:
        if call.text("checkpoint"):
            raise Unsupported("starting from a checkpoint is not supported by this engine")
        await self._starter.start(call.params["id"])
        return call.empty()

    async def stop(self, call: Call) -> web.Response:
        await self._stopper.stop(
            call.params["id"], timeout_s=call.integer("t"), signal_name=_stop_signal(call)
        )
        return call.empty()

    async def restart(self, call: Call) -> web.Response:
        await self._stopper.restart(
            call.params["id"], timeout_s=call.integer("t"), signal_name=_stop_signal(call)
        )
        return call.empty()

    async def kill(self, call: Call) -> web.Response:
        await self._stopper.kill(call.params["id"], call.text("signal"))
        return call.empty()

    async def pause(self, call: Call) -> web.Response:
        await self._pauser.pause(call.params["id"])
        return call.empty()

    async def unpause(self, call: Call) -> web.Response:
        await self._pauser.unpause(call.params["id"])
        return call.empty()

    async def wait(self, call: Call) -> web.StreamResponse:
        """Headers go out before the end is known: `docker run` starts only after them."""
        condition = call.text("condition") if call.version >= CONDITIONS_SINCE else ""
        ticket = self._waiter.register(call.params["id"], condition)
        return await streams.raw(call, _outcome(ticket), JSON, at_once=True)

    async def rename(self, call: Call) -> web.Response:
        await self._renamer.rename(call.params["id"], call.text("name"))
        return call.empty()

    async def update(self, call: Call) -> web.Response:
        request = await call.body(UpdateRequest)
        warnings = await self._updater.update(call.params["id"], request)
        return call.reply(ContainerUpdated(Warnings=list(warnings) or None))

    async def remove(self, call: Call) -> web.Response:
        await self._remover.remove(
            call.params["id"],
            force=call.flag("force"),
            volumes=call.flag("v"),
            link=call.flag("link"),
        )
        return call.empty()

    async def prune(self, call: Call) -> web.Response:
        removed, freed = await self._remover.prune(call.filters())
        return call.reply(
            ContainersPruned(ContainersDeleted=list(removed) or None, SpaceReclaimed=freed)
        )


def _stop_signal(call: Call) -> str | None:
    return call.text("signal") or None if call.version >= STOP_SIGNAL_SINCE else None


async def _outcome(ticket: Ticket) -> AsyncIterator[bytes]:
    try:
        outcome = await ticket.result()
        answer: dict[str, Any] = {"StatusCode": outcome.exit_code}
        if outcome.error:
            answer["Error"] = {"Message": outcome.error}
        yield codec.encode(answer)
    finally:
        ticket.cancel()
