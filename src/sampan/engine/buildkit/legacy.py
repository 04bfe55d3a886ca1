"""POST /build?version=2: how docker CLIs before 23 ask for BuildKit.

    POST /session                             the client's files, as with any BuildKit client
    POST /build?version=2&session=S&...       the request; remote=client-session
        {"id": "moby.buildkit.trace", "aux": "<StatusResponse, base64>"}  ...
        {"id": "moby.image.id", "aux": {"ID": "sha256:..."}}
    POST /build?version=2&buildid=upload-request:B   a context from standard input; the request
                                              of build B says remote=upload-request then
    POST /build/cancel?id=B                   ends it

The query is that of the classic builder; here it becomes the attributes of the frontend.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from sampan.engine.build_request import Query, parse_build_query
from sampan.engine.buildkit.options import DOCKERFILE_FRONTEND
from sampan.engine.buildkit.solves import Solves
from sampan.engine.buildkit.uploads import POSTED_URL, PostedUploads
from sampan.errors import InvalidArgument, SampanError
from sampan.lib.ids import random_id
from sampan.wire.buildkit.control import Exporter, SolveRequest
from sampan.wire.buildkit.protobuf import encode

CLIENT_SESSION = "client-session"
UPLOAD_REQUEST = "upload-request"


class LegacyBuilds:
    """Facade for the server."""

    def __init__(self, *, solves: Solves, posted: PostedUploads) -> None:
        self._solves = solves
        self._posted = posted
        self._running: dict[str, asyncio.Task[Any]] = {}

    async def build(
        self, query: Query, body: AsyncIterator[bytes]
    ) -> AsyncIterator[dict[str, Any]]:
        """Raises, before the first object, what is wrong with the request."""
        kind, _, of_build = _first(query, "buildid").partition(":")
        if kind == UPLOAD_REQUEST:
            await self._posted.offer(of_build, body)
            return
        request = solve_request(query)
        task = asyncio.ensure_future(self._solves.solve(request))
        self._running[request.Ref] = task
        try:
            async for update in self._solves.watch(request.Ref):
                trace = base64.b64encode(encode(update)).decode()
                yield {"id": "moby.buildkit.trace", "aux": trace}
            answer = await task
            image = answer.get("containerimage.digest", "")
            if image:
                yield {"id": "moby.image.id", "aux": {"ID": image}}
        except SampanError as error:
            yield {"errorDetail": {"message": error.message}, "error": error.message}
        finally:
            del self._running[request.Ref]
            task.cancel()
            await asyncio.wait([task])

    def cancel(self, identifier: str) -> None:
        """Unknown ones have ended."""
        task = self._running.get(identifier)
        if task is not None:
            task.cancel()


def solve_request(query: Query) -> SolveRequest:
    """Raises Unsupported, and what is wrong with the query."""
    request = parse_build_query({**query, "version": ["1"], "outputs": [""]}, {})
    identifier = _first(query, "buildid") or random_id()
    host = request.host
    given = [(name, value) for name, value in request.build_args.items() if value is not None]
    attributes = {
        "filename": request.dockerfile,
        "target": request.target,
        "platform": str(request.platform or ""),
        "force-network-mode": host.NetworkMode,
        "add-hosts": ",".join(entry.replace(":", "=", 1) for entry in host.ExtraHosts or ()),
        "shm-size": str(host.ShmSize or 0),
        "cgroup-parent": host.CgroupParent,
        "ulimit": ",".join(
            f"{limit.Name}={limit.Soft}:{limit.Hard}" for limit in host.Ulimits or ()
        ),
        "image-resolve-mode": "pull" if request.pull else "default",
        **{f"build-arg:{name}": value for name, value in given},
        **{f"label:{name}": value for name, value in request.labels.items()},
    }
    if request.remote == UPLOAD_REQUEST:
        attributes["context"] = POSTED_URL + identifier
    elif request.remote != CLIENT_SESSION:
        attributes["context"] = request.remote
    if not request.use_cache:
        attributes["no-cache"] = ""
    names = ",".join(str(reference) for reference in request.tags)
    return SolveRequest(
        Ref=identifier,
        Session=_first(query, "session"),
        Frontend=DOCKERFILE_FRONTEND,
        FrontendAttrs=attributes,
        Exporters=_outputs(_first(query, "outputs")) or [Exporter("moby", {"name": names})],
    )


class _Output(msgspec.Struct, frozen=True):
    Type: str = ""
    Attrs: dict[str, str] | None = None


def _outputs(text: str) -> list[Exporter]:
    if not text:
        return []
    try:
        wanted = msgspec.json.decode(text, type=list[_Output] | None) or []
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"invalid outputs: {error}") from error
    return [Exporter(one.Type, dict(one.Attrs or {})) for one in wanted]


def _first(query: Query, name: str) -> str:
    values = query.get(name, ())
    return values[0] if values else ""
