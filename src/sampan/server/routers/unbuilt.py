"""Every endpoint of the API that no other router serves: 501 with its name.

A client then learns that the engine lacks the feature; 'page not found' is for what the API
doesn't have. The list is the API's (v1.51), without regard to what is built.
"""

import re
from collections.abc import Iterable

from aiohttp import web

from sampan.errors import Unsupported
from sampan.server.call import Call
from sampan.server.routes import Route

# Literal templates first, then narrow ones, then greedy ones.
ENDPOINTS = """
GET /containers/json
POST /containers/create
POST /containers/prune
GET /images/json
POST /build/prune
POST /images/create
GET /images/search
POST /images/prune
GET /system/df
GET /images/get
POST /images/load
POST /volumes/create
POST /volumes/prune
POST /networks/create
POST /networks/prune
GET /plugins/privileges
POST /plugins/pull
POST /plugins/create
POST /swarm/init
POST /swarm/join
POST /swarm/leave
POST /swarm/update
GET /swarm/unlockkey
POST /swarm/unlock
POST /services/create
POST /secrets/create
POST /configs/create
POST /build/cancel
POST /build
POST /auth
GET /info
GET /version
GET /_ping
HEAD /_ping
POST /commit
GET /events
GET /volumes
GET /networks
GET /plugins
GET /nodes
GET /swarm
GET /services
GET /tasks
GET /secrets
GET /configs
POST /session
POST /grpc
GET /containers/{id}/attach/ws
DELETE /containers/{id}/checkpoints/{checkpoint}
GET /containers/{id}/json
GET /containers/{id}/top
GET /containers/{id}/logs
GET /containers/{id}/changes
GET /containers/{id}/export
GET /containers/{id}/stats
POST /containers/{id}/resize
POST /containers/{id}/start
POST /containers/{id}/stop
POST /containers/{id}/restart
POST /containers/{id}/kill
POST /containers/{id}/update
POST /containers/{id}/rename
POST /containers/{id}/pause
POST /containers/{id}/unpause
POST /containers/{id}/attach
POST /containers/{id}/wait
HEAD /containers/{id}/archive
GET /containers/{id}/archive
PUT /containers/{id}/archive
POST /containers/{id}/exec
POST /exec/{id}/start
POST /exec/{id}/resize
GET /exec/{id}/json
POST /networks/{id}/connect
POST /networks/{id}/disconnect
POST /nodes/{id}/update
POST /services/{id}/update
GET /services/{id}/logs
GET /tasks/{id}/logs
POST /secrets/{id}/update
POST /configs/{id}/update
GET /containers/{id}/checkpoints
POST /containers/{id}/checkpoints
DELETE /containers/{id}
GET /networks/{id}
DELETE /networks/{id}
GET /nodes/{id}
DELETE /nodes/{id}
GET /services/{id}
DELETE /services/{id}
GET /tasks/{id}
GET /secrets/{id}
DELETE /secrets/{id}
GET /configs/{id}
DELETE /configs/{id}
GET /images/{name:.*}/json
GET /images/{name:.*}/history
POST /images/{name:.*}/push
POST /images/{name:.*}/tag
GET /images/{name:.*}/get
GET /plugins/{name:.*}/json
POST /plugins/{name:.*}/enable
POST /plugins/{name:.*}/disable
POST /plugins/{name:.*}/upgrade
POST /plugins/{name:.*}/push
POST /plugins/{name:.*}/set
GET /distribution/{name:.*}/json
DELETE /images/{name:.*}
GET /volumes/{name:.*}
PUT /volumes/{name:.*}
DELETE /volumes/{name:.*}
DELETE /plugins/{name:.*}
"""

_HOLE = re.compile(r"\{[^}]*\}")


# what the user asked for, where the endpoint's name doesn't say it
_FEATURES = {"/plugins": "managed plugins", "/containers/{id}/checkpoints": "checkpoints"}


class NotBuilt(Unsupported):
    def __init__(self, method: str, template: str) -> None:
        features = (name for prefix, name in _FEATURES.items() if template.startswith(prefix))
        feature = next(features, "")
        super().__init__(
            f"{method} {template} is not supported by this engine",
            hint=f"it has no {feature}" if feature else "",
        )


def unbuilt(built: Iterable[Route]) -> list[Route]:
    """Routes answering 501 for the rest of the API."""
    served = {(route.method, _shape(route.template)) for route in built}
    rest = []
    for line in ENDPOINTS.split("\n"):
        method, _, template = line.partition(" ")
        if line and (method, _shape(template)) not in served:
            rest.append(_refusal(method, template))
    return rest


def _shape(template: str) -> str:
    """The template whatever its holes are called."""
    return _HOLE.sub("{}", template)


def _refusal(method: str, template: str) -> Route:
    async def refuse(call: Call) -> web.StreamResponse:
        raise NotBuilt(method, template.replace(":.*", ""))

    return Route(method, template, refuse)
