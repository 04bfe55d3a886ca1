"""One build: a session that serves, Control.Solve that waits, Control.Status that tells.

    POST /session   h2c   the engine calls session.SessionServices
    POST /grpc      h2c   Solve and Status, at the same time

The build ends with Solve's answer; leaving earlier (an interrupt) drops both connections, which is
how the engine learns that nobody waits.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from sampan.client.api import Client, Hijacked
from sampan.client.buildkit.bridged import Switched
from sampan.client.buildkit.session import Offer, SessionServices
from sampan.errors import Internal, SampanError
from sampan.lib.ids import random_id
from sampan.rpc.connection import GrpcConnection, Handler
from sampan.wire.buildkit.control import (
    SolveRequest,
    SolveResponse,
    StatusRequest,
    StatusResponse,
)
from sampan.wire.buildkit.protobuf import decode, encode

OnStatus = Callable[[StatusResponse], None]
Tick = Callable[[], None]

TICK_S = 0.1
_CONTROL = "/moby.buildkit.v1.Control/"
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "h2c"}


def solve(
    client: Client, request: SolveRequest, offer: Offer, *, on_status: OnStatus, tick: Tick
) -> Mapping[str, str]:
    """The exporters' answers. Raises CallFailed with the engine's words, SessionLost, and what
    connecting raises. `tick` is called ten times a second."""
    services = SessionServices(offer).methods()
    session = random_id()
    serving = _open(client, "/session", _session_headers(session, services))
    try:
        calling = _open(client, "/grpc", {})
    except BaseException:
        serving.stream.close()
        raise
    request = replace(request, Ref=request.Ref or random_id()[:25], Session=session)
    connections = _Connections(serving, calling, services)
    return asyncio.run(_solve(connections, request, on_status=on_status, tick=tick))


def _session_headers(session: str, services: Mapping[str, Handler]) -> dict[str, str | list[str]]:
    return {
        "X-Docker-Expose-Session-Uuid": session,
        "X-Docker-Expose-Session-Name": "",
        "X-Docker-Expose-Session-Sharedkey": "",
        "X-Docker-Expose-Session-Grpc-Method": list(services),
    }


def _open(client: Client, path: str, headers: Mapping[str, str | list[str]]) -> Hijacked:
    response = client.call("POST", path, headers={**_UPGRADE, **headers}, expect=101)
    stream, early = response.take_stream()
    return Hijacked(stream, early, "")


@dataclass(frozen=True, slots=True)
class _Connections:
    session: Hijacked
    control: Hijacked
    services: Mapping[str, Handler]


async def _solve(
    connections: _Connections, request: SolveRequest, *, on_status: OnStatus, tick: Tick
) -> Mapping[str, str]:
    session = GrpcConnection(
        Switched(connections.session),
        calls_out=False,
        methods=connections.services,
        unexpected=_local_failure,
    )
    control = GrpcConnection(Switched(connections.control), calls_out=True, methods={})
    running = [asyncio.ensure_future(one.run()) for one in (session, control)]
    watching = asyncio.ensure_future(_watch(control, request.Ref, on_status))
    ticking = asyncio.ensure_future(_tick(tick))
    try:
        reply = await _ask(control, request)
        await asyncio.wait([watching])  # the last lines
        return reply.ExporterResponse
    except SampanError:
        await asyncio.wait([watching], timeout=5)
        raise
    finally:
        session.close()
        control.close()
        ticking.cancel()
        watching.cancel()
        await asyncio.wait([ticking, watching, *running])


def _local_failure(error: Exception, path: str) -> SampanError:
    """What went wrong here while the engine was asking: files that can't be read or written."""
    return Internal(str(error) or type(error).__name__)


async def _ask(control: GrpcConnection, request: SolveRequest) -> SolveResponse:
    async with control.call(f"{_CONTROL}Solve") as call:
        await call.send(encode(request))
        await call.finish()
        reply = await call.receive() or b""
        while await call.receive() is not None:
            pass
    return decode(SolveResponse, reply)


async def _watch(control: GrpcConnection, reference: str, on_status: OnStatus) -> None:
    with suppress(SampanError):  # Solve tells what is wrong
        async with control.call(f"{_CONTROL}Status") as call:
            await call.send(encode(StatusRequest(reference)))
            await call.finish()
            while (message := await call.receive()) is not None:
                on_status(decode(StatusResponse, message))


async def _tick(tick: Tick) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        tick()
