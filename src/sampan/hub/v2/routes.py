"""The registry's part of the application: every path below /v2/ that isn't the hub's own API.

`handle` finds what the path names, then the endpoint for the method, and turns failures into the
protocol's error bodies. The body of a request that was refused isn't read to its end here:
aiohttp drains or closes the connection.
"""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from sampan.errors import Cancelled
from sampan.hub.accounts.names import RESERVED
from sampan.hub.v2 import content_endpoints, list_endpoints, upload_endpoints
from sampan.hub.v2.calls import Call, Parts
from sampan.hub.v2.errors import NotOffered, error_response, expected
from sampan.hub.v2.names import Resource, parse_path
from sampan.lib.log import fields

log = logging.getLogger(__name__)

Endpoint = Callable[[Call], Awaitable[web.StreamResponse]]

ENDPOINTS: dict[Resource, dict[str, Endpoint]] = {
    Resource.BASE: {"GET": list_endpoints.base, "HEAD": list_endpoints.base},
    Resource.CATALOG: {"GET": list_endpoints.list_catalog},
    Resource.TAGS: {"GET": list_endpoints.list_tags},
    Resource.REFERRERS: {"GET": content_endpoints.list_referrers},
    Resource.BLOB: {
        "GET": content_endpoints.read_blob,
        "HEAD": content_endpoints.read_blob,
        "DELETE": content_endpoints.delete_blob,
    },
    Resource.MANIFEST: {
        "GET": content_endpoints.read_manifest,
        "HEAD": content_endpoints.read_manifest,
        "PUT": content_endpoints.put_manifest,
        "DELETE": content_endpoints.delete_manifest,
    },
    Resource.UPLOADS: {"POST": upload_endpoints.start},
    Resource.UPLOAD: {
        "GET": upload_endpoints.status,
        "PATCH": upload_endpoints.append,
        "PUT": upload_endpoints.finish,
        "DELETE": upload_endpoints.cancel,
    },
}

_OTHERS = "|".join(sorted(RESERVED))


class Registry:
    """The distribution API. `add_to` comes after the hub's own routes below /v2/."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, application: web.Application) -> None:
        router = application.router
        router.add_route("*", "/v2", self.handle)
        router.add_route("*", rf"/v2/{{path:(?!(?:{_OTHERS})(?:/|$)).*}}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            target = parse_path(request.path)
            endpoint = ENDPOINTS[target.resource].get(request.method, _refuse)
            return await endpoint(Call(request, target, self._parts))
        except ConnectionError as error:
            log.info(fields("client went away", path=request.path))
            return error_response(Cancelled(str(error) or "client went away"))
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a request: logged by expected()
            failure = expected(error, what=f"{request.method} {request.path}")
            log.debug("request refused path=%s reason=%s", request.path, failure)
            return error_response(failure)


async def _refuse(_call: Call) -> web.StreamResponse:
    raise NotOffered("the operation is unsupported")
